//! Writes the smallest ONNX files that the tests need: protobuf by hand, a message is a list of numbered fields.
//!
//! `learn` exports real networks; here come the wrong ones that no exporter writes.

/// ONNX's numbers for element types.
pub(crate) const FLOAT: u64 = 1;
pub(crate) const INT32: u64 = 6;

/// A graph that is almost the contract's: change a field to break it.
pub(crate) struct Graph {
    pub(crate) windows: (&'static str, u64, Vec<Option<u64>>),
    pub(crate) lengths: (&'static str, u64, Vec<Option<u64>>),
    pub(crate) output: (&'static str, u64, Vec<Option<u64>>),
    /// Operators between the pooling over the steps and the output.
    pub(crate) tail: Vec<Op>,
}

/// What happens to `[batch, features]` on the way to the output.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    UnitLength,
    Negate,
    Sqrt,
    /// Adds the mean over the batch: the answer then depends on the company.
    AddBatchMean,
}

impl Graph {
    /// The largest magnitude over the steps, then unit length: right in every respect, with as many dimensions as features.
    /// (A sum over the steps would not be: ONNX Runtime adds in another order for a batch of one.)
    pub(crate) fn right(features: u64) -> Self {
        Self {
            windows: ("x", FLOAT, vec![None, None, Some(features)]),
            lengths: ("lengths", INT32, vec![None]),
            output: ("embedding", FLOAT, vec![None, Some(features)]),
            tail: vec![Op::UnitLength],
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut graph = Vec::new();
        let mut current = "largest".to_owned();
        message(&mut graph, 1, node("Abs", &[self.windows.0], "magnitude", &[]));
        let steps = Message::new().text(1, "axes").number(8, 1).number(20, 7);
        message(
            &mut graph,
            1,
            node("ReduceMax", &["magnitude"], &current, &[("keepdims", 0)]).message(5, steps),
        );
        for (i, op) in self.tail.iter().enumerate() {
            let next = if i + 1 == self.tail.len() {
                self.output.0.to_owned()
            } else {
                format!("t{i}")
            };
            match op {
                Op::UnitLength => {
                    message(
                        &mut graph,
                        1,
                        node("LpNormalization", &[&current], &next, &[("axis", 1), ("p", 2)]),
                    );
                }
                Op::Negate => message(&mut graph, 1, node("Neg", &[&current], &next, &[])),
                Op::Sqrt => message(&mut graph, 1, node("Sqrt", &[&current], &next, &[])),
                Op::AddBatchMean => {
                    let axes = Message::new().text(1, "axes").number(8, 0).number(20, 7);
                    let mean = node("ReduceMean", &[&current], "mean", &[]).message(5, axes);
                    message(&mut graph, 1, mean);
                    message(&mut graph, 1, node("Add", &[&current, "mean"], &next, &[]));
                }
            }
            current = next;
        }
        let graph = Message(graph)
            .text(2, "test")
            .message(11, value(&self.windows))
            .message(11, value(&self.lengths))
            .message(12, value(&self.output));
        let opset = Message::new().text(1, "").number(2, 13);
        Message::new().number(1, 8).message(7, graph).message(8, opset).0
    }
}

fn node(op: &str, inputs: &[&str], output: &str, integers: &[(&str, u64)]) -> Message {
    let node = inputs
        .iter()
        .fold(Message::new(), |node, input| node.text(1, input))
        .text(2, output)
        .text(4, op);
    integers.iter().fold(node, |node, (name, value)| {
        node.message(5, Message::new().text(1, name).number(3, *value).number(20, 2))
    })
}

fn value((name, ty, dims): &(&str, u64, Vec<Option<u64>>)) -> Message {
    let shape = dims.iter().enumerate().fold(Message::new(), |shape, (i, dim)| {
        shape.message(
            1,
            match dim {
                Some(size) => Message::new().number(1, *size),
                None => Message::new().text(2, &format!("{name}{i}")),
            },
        )
    });
    let tensor = Message::new().number(1, *ty).message(2, shape);
    Message::new()
        .text(1, name)
        .message(2, Message::new().message(1, tensor))
}

struct Message(Vec<u8>);

impl Message {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        varint(&mut self.0, field << 3);
        varint(&mut self.0, value);
        self
    }

    fn text(mut self, field: u64, text: &str) -> Self {
        bytes(&mut self.0, field, text.as_bytes());
        self
    }

    fn message(mut self, field: u64, inner: Self) -> Self {
        bytes(&mut self.0, field, &inner.0);
        self
    }
}

fn message(out: &mut Vec<u8>, field: u64, inner: Message) {
    bytes(out, field, &inner.0);
}

fn bytes(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
