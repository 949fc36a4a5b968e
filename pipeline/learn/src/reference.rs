//! The network and the losses once more, in f64 and straight from their definitions: what the tests compare with.

use crate::loss::Loss;
use crate::network::NetworkConfig;

/// The embedding of one sequence.
pub(crate) fn embed(config: &NetworkConfig, parameters: &[f64], sequence: &[f32]) -> Vec<f64> {
    let mut rows: Vec<Vec<f64>> = sequence
        .chunks(config.features)
        .map(|row| row.iter().map(|&value| f64::from(value)).collect())
        .collect();
    for layer in 0..config.layers {
        let onward = lstm(config, layer, &parameters[config.layer(layer, 0)], &rows);
        if config.bidirectional {
            rows.reverse();
            let mut backward = lstm(config, layer, &parameters[config.layer(layer, 1)], &rows);
            backward.reverse();
            rows = onward.into_iter().zip(backward).map(|(a, b)| [a, b].concat()).collect();
        } else {
            rows = onward;
        }
    }
    let linear = &parameters[config.linear()];
    let mut embedding = parameters[config.linear_bias()].to_vec();
    for (d, value) in embedding.iter_mut().enumerate() {
        for j in 0..config.width() {
            let mean = rows.iter().map(|row| row[j]).sum::<f64>() / rows.len() as f64;
            *value += mean * linear[j * config.embedding + d];
        }
    }
    let norm = embedding.iter().map(|v| v * v).sum::<f64>().sqrt();
    embedding.iter().map(|v| v / norm).collect()
}

fn lstm(config: &NetworkConfig, layer: usize, parameters: &[f64], rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (hidden, shape) = (config.hidden, config.layer_shape(layer));
    let (weights, bias) = parameters.split_at(shape.weights());
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut h, mut c) = (vec![0.0; hidden], vec![0.0; hidden]);
    let mut outputs = Vec::new();
    for row in rows {
        let joint = [row.as_slice(), &h].concat();
        let sum = |gate: usize| {
            let products = joint
                .iter()
                .enumerate()
                .map(|(k, value)| value * weights[k * 4 * hidden + gate]);
            products.sum::<f64>() + bias[gate]
        };
        for j in 0..hidden {
            let (i, o, f) = (sigmoid(sum(j)), sigmoid(sum(hidden + j)), sigmoid(sum(2 * hidden + j)));
            c[j] = f * c[j] + i * sum(3 * hidden + j).tanh();
            h[j] = o * c[j].tanh();
        }
        outputs.push(h.clone());
    }
    outputs
}

/// A loss, written in distances.
pub(crate) fn loss(loss: &Loss, embeddings: &[f64], people: &[usize]) -> f64 {
    let count = people.len();
    let dims = embeddings.len() / count;
    let vector = |i: usize| &embeddings[i * dims..(i + 1) * dims];
    let squared = |i: usize, j: usize| {
        vector(i)
            .iter()
            .zip(vector(j))
            .map(|(a, b)| (a - b) * (a - b))
            .sum::<f64>()
    };
    let mean = |values: Vec<f64>| {
        if values.is_empty() {
            0.0
        } else {
            values.iter().sum::<f64>() / values.len() as f64
        }
    };
    let pairs = || (0..count).flat_map(|i| (0..count).filter(move |&j| j != i).map(move |j| (i, j)));
    let same = |&(i, j): &(usize, usize)| people[i] == people[j];
    match *loss {
        Loss::Contrastive { margin } => {
            let margin = f64::from(margin);
            let lacking = pairs()
                .filter(|pair| !same(pair))
                .map(|(i, j)| margin - squared(i, j).sqrt());
            mean(pairs().filter(same).map(|(i, j)| squared(i, j)).collect())
                + mean(
                    lacking
                        .filter(|&lacking| lacking > 0.0)
                        .map(|lacking| lacking * lacking)
                        .collect(),
                )
        }
        Loss::Triplet { margin } => {
            let mut active = Vec::new();
            for (a, p) in pairs().filter(same) {
                let farther = (0..count).filter(|&n| people[n] != people[a]).map(|n| squared(a, n));
                let nearest = farther.filter(|&d| d > squared(a, p)).fold(f64::INFINITY, f64::min);
                active.extend(Some(squared(a, p) - nearest + f64::from(margin)).filter(|&lacking| lacking > 0.0));
            }
            mean(active)
        }
        Loss::SupervisedContrastive { temperature } => {
            let likeness = |i: usize, j: usize| (1.0 - squared(i, j) / 2.0) / f64::from(temperature);
            let anchor = |i: usize| {
                let total: f64 = (0..count).filter(|&j| j != i).map(|j| likeness(i, j).exp()).sum();
                let positives: Vec<f64> = (0..count)
                    .filter(|&j| j != i && people[j] == people[i])
                    .map(|j| total.ln() - likeness(i, j))
                    .collect();
                (!positives.is_empty()).then(|| mean(positives))
            };
            mean((0..count).filter_map(anchor).collect())
        }
    }
}
