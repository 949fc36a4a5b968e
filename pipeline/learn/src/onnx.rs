//! The network as an ONNX model.
//!
//! Inputs `x` float32 `[batch, steps, features]`, zero padded, and `lengths` int32 `[batch]`, at least 1; output
//! `embedding` float32 `[batch, D]` of unit length. Batch and steps are symbolic.
//!
//! Invariants: operator set 17 and format version 8, which ONNX Runtime has read for years; the mean divides the sum
//! over all steps by the length, which is right because the LSTM operator writes zeros beyond `sequence_lens`; the nodes of
//! several networks differ by a prefix, and a single network has none.

mod proto;

use crate::chunk::NORM_MIN;
use crate::ensemble::share;
use crate::network::Network;
use prost::Message;
use proto::{Attribute, Dimension, GraphProto, ModelProto, NodeProto, OperatorSet, TensorProto, ValueInfo};

const OPERATOR_SET: i64 = 17;
const FORMAT_VERSION: i64 = 8;

/// Writes the model of networks whose embeddings stand side by side; at least one, all of the same features.
pub(crate) fn export(networks: &[Network]) -> Vec<u8> {
    model(networks).encode_to_vec()
}

fn model(networks: &[Network]) -> ModelProto {
    ModelProto {
        ir_version: Some(FORMAT_VERSION),
        producer_name: Some("ductus-learn".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        opset_import: vec![OperatorSet {
            domain: Some(String::new()),
            version: Some(OPERATOR_SET),
        }],
        graph: Some(graph(networks)),
    }
}

fn graph(networks: &[Network]) -> GraphProto {
    let mut builder = Builder::default();
    if let [only] = networks {
        embed(&mut builder, only);
    } else {
        join(&mut builder, networks);
    }
    let features = networks.first().map_or(0, |network| network.config().features);
    let embedding = networks.iter().map(|network| network.config().embedding).sum();
    let symbol = |name: &str| Dimension::symbol(name);
    GraphProto {
        name: Some("ductus".into()),
        node: builder.nodes,
        initializer: builder.weights,
        input: vec![
            ValueInfo::float("x", vec![symbol("batch"), symbol("steps"), Dimension::fixed(features)]),
            ValueInfo::int32("lengths", vec![symbol("batch")]),
        ],
        output: vec![ValueInfo::float(
            "embedding",
            vec![symbol("batch"), Dimension::fixed(embedding)],
        )],
    }
}

/// The networks' embeddings side by side, divided by their common length.
fn join(builder: &mut Builder, networks: &[Network]) {
    let mut embeddings = Vec::new();
    for (number, network) in networks.iter().enumerate() {
        builder.prefix = format!("member{number}_");
        embeddings.push(embed(builder, network));
    }
    builder.prefix.clear();
    let embeddings: Vec<&str> = embeddings.iter().map(String::as_str).collect();
    let joined = builder.node("Concat", "joined", &embeddings, vec![Attribute::int("axis", 1)]);
    let share = builder.weight("share".into(), &[], &[share(networks.len())]);
    builder.node("Mul", "embedding", &[&joined, &share], Vec::new());
}

/// From `x` and `lengths` to the embedding of one network.
fn embed(builder: &mut Builder, network: &Network) -> String {
    let config = network.config();
    let mut rows = builder.node(
        "Transpose",
        "x_by_step",
        &["x"],
        vec![Attribute::ints("perm", [1, 0, 2])],
    );
    for layer in 0..config.layers {
        let outputs = lstm(builder, network, layer, &rows);
        rows = if layer + 1 < config.layers {
            join_directions(builder, config.bidirectional, config.width(), layer, &outputs)
        } else {
            outputs
        };
    }
    let pooled = mean_over_steps(builder, config.bidirectional, config.width(), &rows);
    project(builder, network, &pooled)
}

/// One LSTM operator for all directions of a layer; its output is `[steps, directions, batch, hidden]`.
fn lstm(builder: &mut Builder, network: &Network, layer: usize, rows: &str) -> String {
    let config = network.config();
    let (shape, directions) = (config.layer_shape(layer), config.directions());
    let gates = 4 * shape.hidden;
    let (mut input, mut recurrent, mut bias) = (Vec::new(), Vec::new(), Vec::new());
    for direction in 0..directions {
        let parameters = &network.parameters()[config.layer(layer, direction)];
        let (weights, gate_bias) = parameters.split_at(shape.weights());
        let (w, r) = weights.split_at(shape.inputs * gates);
        extend_transposed(&mut input, w, gates);
        extend_transposed(&mut recurrent, r, gates);
        // ONNX adds two biases; ours is the first.
        bias.extend_from_slice(gate_bias);
        bias.resize(bias.len() + gates, 0.0);
    }
    let w = builder.weight(format!("w{layer}"), &[directions, gates, shape.inputs], &input);
    let r = builder.weight(format!("r{layer}"), &[directions, gates, shape.hidden], &recurrent);
    let b = builder.weight(format!("b{layer}"), &[directions, 2 * gates], &bias);
    let direction = if config.bidirectional {
        "bidirectional"
    } else {
        "forward"
    };
    builder.node(
        "LSTM",
        &format!("lstm{layer}"),
        &[rows, &w, &r, &b, "lengths"],
        vec![
            Attribute::int("hidden_size", shape.hidden as i64),
            Attribute::text("direction", direction),
        ],
    )
}

/// `[steps, directions, batch, hidden]` to `[steps, batch, directions · hidden]`.
fn join_directions(builder: &mut Builder, both: bool, width: usize, layer: usize, outputs: &str) -> String {
    let name = format!("between{layer}");
    if !both {
        let axes = builder.integers(format!("{name}_axes"), &[1]);
        return builder.node("Squeeze", &name, &[outputs, &axes], Vec::new());
    }
    let perm = vec![Attribute::ints("perm", [0, 2, 1, 3])];
    let turned = builder.node("Transpose", &format!("{name}_turned"), &[outputs], perm);
    let shape = builder.integers(format!("{name}_shape"), &[0, 0, width as i64]);
    builder.node("Reshape", &name, &[&turned, &shape], Vec::new())
}

/// `[steps, directions, batch, hidden]` to the mean over the real steps, `[batch, directions · hidden]`.
fn mean_over_steps(builder: &mut Builder, both: bool, width: usize, outputs: &str) -> String {
    let steps = builder.integers("steps_axis".into(), &[0]);
    let sum = builder.node(
        "ReduceSum",
        "sum",
        &[outputs, &steps],
        vec![Attribute::int("keepdims", 0)],
    );
    let rows = if both {
        let turned = builder.node(
            "Transpose",
            "sum_turned",
            &[&sum],
            vec![Attribute::ints("perm", [1, 0, 2])],
        );
        let shape = builder.integers("sum_shape".into(), &[0, width as i64]);
        builder.node("Reshape", "sum_rows", &[&turned, &shape], Vec::new())
    } else {
        builder.node("Squeeze", "sum_rows", &[&sum, &steps], Vec::new())
    };
    let to = vec![Attribute::int("to", i64::from(proto::FLOAT))];
    let lengths = builder.node("Cast", "lengths_float", &["lengths"], to);
    let axis = builder.integers("column_axis".into(), &[1]);
    let lengths = builder.node("Unsqueeze", "lengths_column", &[&lengths, &axis], Vec::new());
    builder.node("Div", "mean", &[&rows, &lengths], Vec::new())
}

/// Linear map and division by the norm.
fn project(builder: &mut Builder, network: &Network, pooled: &str) -> String {
    let config = network.config();
    let (linear, bias) = (
        &network.parameters()[config.linear()],
        &network.parameters()[config.linear_bias()],
    );
    let linear = builder.weight("linear".into(), &[config.width(), config.embedding], linear);
    let bias = builder.weight("linear_bias".into(), &[config.embedding], bias);
    let projected = builder.node("Gemm", "projected", &[pooled, &linear, &bias], Vec::new());
    let over = vec![Attribute::ints("axes", [1]), Attribute::int("keepdims", 1)];
    let norm = builder.node("ReduceL2", "norm", &[&projected], over);
    let least = builder.weight("norm_min".into(), &[], &[NORM_MIN]);
    let norm = builder.node("Max", "norm_bounded", &[&norm, &least], Vec::new());
    builder.node("Div", "embedding", &[&projected, &norm], Vec::new())
}

/// Appends a row-major matrix with rows and columns exchanged.
fn extend_transposed(target: &mut Vec<f32>, values: &[f32], columns: usize) {
    for column in 0..columns {
        target.extend(values.iter().skip(column).step_by(columns));
    }
}

/// Nodes and weights in the order in which they were added. Each node is named after its only output.
#[derive(Default)]
struct Builder {
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
    /// Stands before the names of what is added.
    prefix: String,
}

impl Builder {
    fn node(&mut self, operator: &str, output: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let output = format!("{}{output}", self.prefix);
        self.nodes.push(NodeProto {
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output.clone()],
            name: Some(output.clone()),
            op_type: Some(operator.to_string()),
            attribute,
        });
        output
    }

    fn weight(&mut self, name: String, shape: &[usize], values: &[f32]) -> String {
        let name = format!("{}{name}", self.prefix);
        self.weights.push(TensorProto::floats(&name, shape, values));
        name
    }

    fn integers(&mut self, name: String, values: &[i64]) -> String {
        let name = format!("{}{name}", self.prefix);
        self.weights.push(TensorProto::integers(&name, values));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkConfig;
    use std::fmt::Write;

    fn outline(bidirectional: bool) -> String {
        outline_of(&[network(2, bidirectional)])
    }

    fn network(layers: usize, bidirectional: bool) -> Network {
        let config = NetworkConfig {
            features: 17,
            layers,
            hidden: 8,
            bidirectional,
            embedding: 5,
        };
        Network::random(config, 1).unwrap()
    }

    fn outline_of(networks: &[Network]) -> String {
        let bytes = export(networks);
        let model = ModelProto::decode(bytes.as_slice()).unwrap();
        let graph = model.graph.unwrap();
        let mut text = format!(
            "ir {:?} opset {:?}\n",
            model.ir_version.unwrap(),
            model.opset_import[0].version.unwrap()
        );
        for value in graph.input.iter().chain(&graph.output) {
            writeln!(text, "{}", value.outline()).unwrap();
        }
        for node in &graph.node {
            let attributes: Vec<String> = node.attribute.iter().map(Attribute::outline).collect();
            let inputs = node.input.join(" ");
            writeln!(
                text,
                "{} <- {} {inputs} {}",
                node.output[0],
                node.op_type(),
                attributes.join(" ")
            )
            .unwrap();
        }
        for weight in &graph.initializer {
            writeln!(text, "{} {:?}", weight.name(), weight.dims).unwrap();
        }
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    #[test]
    fn structure_both_ways() {
        expect_test::expect![[r#"
            ir 8 opset 17
            x: type 1 [batch, steps, 17]
            lengths: type 6 [batch]
            embedding: type 1 [batch, 5]
            x_by_step <- Transpose x perm=[1, 0, 2]
            lstm0 <- LSTM x_by_step w0 r0 b0 lengths hidden_size=8 direction=bidirectional
            between0_turned <- Transpose lstm0 perm=[0, 2, 1, 3]
            between0 <- Reshape between0_turned between0_shape
            lstm1 <- LSTM between0 w1 r1 b1 lengths hidden_size=8 direction=bidirectional
            sum <- ReduceSum lstm1 steps_axis keepdims=0
            sum_turned <- Transpose sum perm=[1, 0, 2]
            sum_rows <- Reshape sum_turned sum_shape
            lengths_float <- Cast lengths to=1
            lengths_column <- Unsqueeze lengths_float column_axis
            mean <- Div sum_rows lengths_column
            projected <- Gemm mean linear linear_bias
            norm <- ReduceL2 projected axes=[1] keepdims=1
            norm_bounded <- Max norm norm_min
            embedding <- Div projected norm_bounded
            w0 [2, 32, 17]
            r0 [2, 32, 8]
            b0 [2, 64]
            between0_shape [3]
            w1 [2, 32, 16]
            r1 [2, 32, 8]
            b1 [2, 64]
            steps_axis [1]
            sum_shape [2]
            column_axis [1]
            linear [16, 5]
            linear_bias [5]
            norm_min []
        "#]]
        .assert_eq(&outline(true));
    }

    #[test]
    fn structure_one_way() {
        expect_test::expect![[r#"
            ir 8 opset 17
            x: type 1 [batch, steps, 17]
            lengths: type 6 [batch]
            embedding: type 1 [batch, 5]
            x_by_step <- Transpose x perm=[1, 0, 2]
            lstm0 <- LSTM x_by_step w0 r0 b0 lengths hidden_size=8 direction=forward
            between0 <- Squeeze lstm0 between0_axes
            lstm1 <- LSTM between0 w1 r1 b1 lengths hidden_size=8 direction=forward
            sum <- ReduceSum lstm1 steps_axis keepdims=0
            sum_rows <- Squeeze sum steps_axis
            lengths_float <- Cast lengths to=1
            lengths_column <- Unsqueeze lengths_float column_axis
            mean <- Div sum_rows lengths_column
            projected <- Gemm mean linear linear_bias
            norm <- ReduceL2 projected axes=[1] keepdims=1
            norm_bounded <- Max norm norm_min
            embedding <- Div projected norm_bounded
            w0 [1, 32, 17]
            r0 [1, 32, 8]
            b0 [1, 64]
            between0_axes [1]
            w1 [1, 32, 8]
            r1 [1, 32, 8]
            b1 [1, 64]
            steps_axis [1]
            column_axis [1]
            linear [8, 5]
            linear_bias [5]
            norm_min []
        "#]]
        .assert_eq(&outline(false));
    }

    #[test]
    fn structure_of_two() {
        let outline = outline_of(&[network(1, false), network(1, false)]);
        let last: Vec<&str> = outline
            .lines()
            .filter(|line| line.contains("embedding") || line.contains("share") || line.contains("LSTM"))
            .collect();
        expect_test::expect![[r#"
            embedding: type 1 [batch, 10]
            member0_lstm0 <- LSTM member0_x_by_step member0_w0 member0_r0 member0_b0 lengths hidden_size=8 direction=forward
            member0_embedding <- Div member0_projected member0_norm_bounded
            member1_lstm0 <- LSTM member1_x_by_step member1_w0 member1_r0 member1_b0 lengths hidden_size=8 direction=forward
            member1_embedding <- Div member1_projected member1_norm_bounded
            joined <- Concat member0_embedding member1_embedding axis=1
            embedding <- Mul joined share
            share []
        "#]].assert_eq(&(last.join("\n") + "\n"));
    }

    #[test]
    fn transposes() {
        let mut target = vec![9.0];
        extend_transposed(&mut target, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3);
        assert_eq!(target, [9.0, 1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
