"""The yardstick of training.rs: the same network, loss, optimiser and batch in PyTorch on two threads.

Prints one JSON object; exits 3 with a sentence where PyTorch is absent. PyTorch has no fixed place in this
repository: install it in an environment of your own and run this file with that Python.
"""

import json
import statistics
import sys
import time

try:
    import torch
except ImportError:
    print("PyTorch is not installed, so there is nothing to compare with: pip install torch", file=sys.stderr)
    sys.exit(3)

FEATURES, STEPS, HIDDEN, EMBEDDING = 17, 50, 64, 64
PEOPLE, SEQUENCES = 32, 8
THREADS, ROUNDS, BATCHES_PER_ROUND = 2, 5, 6
MARGIN = 1.0


class Network(torch.nn.Module):
    """Two LSTM layers, mean over the steps, linear map, unit length."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(FEATURES, HIDDEN, num_layers=2)
        self.linear = torch.nn.Linear(HIDDEN, EMBEDDING)

    def forward(self, x):
        outputs, _ = self.lstm(x)
        return torch.nn.functional.normalize(self.linear(outputs.mean(dim=0)), dim=1)


def contrastive(embeddings, people):
    """Squared distance of the same person, squared lack of distance of different people within the margin."""
    squared = (2.0 - 2.0 * embeddings @ embeddings.T).clamp(min=1e-9)
    above = torch.ones_like(squared, dtype=torch.bool).triu(1)
    same = (people[:, None] == people[None, :]) & above
    lacking = (MARGIN - squared[above & ~same].sqrt()).clamp(min=0.0)
    return squared[same].mean() + lacking.square().sum() / (lacking > 0).sum().clamp(min=1)


def main():
    torch.manual_seed(1)
    torch.set_num_threads(THREADS)
    network = Network()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    people = torch.arange(PEOPLE).repeat_interleave(SEQUENCES)
    x = torch.randn(STEPS, PEOPLE * SEQUENCES, FEATURES)

    def one_round():
        start = time.perf_counter()
        for _ in range(BATCHES_PER_ROUND):
            optimiser.zero_grad()
            contrastive(network(x), people).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        return BATCHES_PER_ROUND * PEOPLE * SEQUENCES / (time.perf_counter() - start)

    one_round()
    rate = statistics.median(one_round() for _ in range(ROUNDS))
    print(json.dumps({"name": "learn/train-2x64-torch", "value": round(rate), "unit": "seq/s"}))


if __name__ == "__main__":
    main()
