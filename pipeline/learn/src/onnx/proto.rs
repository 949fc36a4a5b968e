//! The part of onnx.proto that a model of ours needs, written by hand: about a dozen messages instead of a protobuf
//! compiler. Numbers and meanings are those of <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.
//!
//! Fields that carry a meaning even at zero are optional here, so that they are always written.

use prost::Message;

/// `TensorProto.DataType.FLOAT`.
pub(super) const FLOAT: i32 = 1;
const INT32: i32 = 6;
const INT64: i32 = 7;

const ATTRIBUTE_INT: i32 = 2;
const ATTRIBUTE_STRING: i32 = 3;
const ATTRIBUTE_INTS: i32 = 7;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelProto {
    #[prost(int64, optional, tag = "1")]
    pub(super) ir_version: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) producer_name: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) producer_version: Option<String>,
    #[prost(message, optional, tag = "7")]
    pub(super) graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub(super) opset_import: Vec<OperatorSet>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSet {
    #[prost(string, optional, tag = "1")]
    pub(super) domain: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub(super) version: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) node: Vec<NodeProto>,
    #[prost(string, optional, tag = "2")]
    pub(super) name: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub(super) input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub(super) output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) output: Vec<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(super) op_type: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Attribute {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(int64, optional, tag = "3")]
    pub(super) i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) s: Option<Vec<u8>>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(super) ints: Vec<i64>,
    #[prost(int32, optional, tag = "20")]
    pub(super) r#type: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(int32, optional, tag = "2")]
    pub(super) data_type: Option<i32>,
    #[prost(string, optional, tag = "8")]
    pub(super) name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub(super) raw_data: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfo {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(super) r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorType {
    #[prost(int32, optional, tag = "1")]
    pub(super) elem_type: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<TensorShape>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    pub(super) dim: Vec<Dimension>,
}

/// Either of the two is set.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(super) dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) dim_param: Option<String>,
}

impl Attribute {
    pub(super) fn int(name: &str, value: i64) -> Self {
        Self {
            name: Some(name.into()),
            i: Some(value),
            r#type: Some(ATTRIBUTE_INT),
            ..Self::default()
        }
    }

    pub(super) fn ints(name: &str, values: impl Into<Vec<i64>>) -> Self {
        Self {
            name: Some(name.into()),
            ints: values.into(),
            r#type: Some(ATTRIBUTE_INTS),
            ..Self::default()
        }
    }

    pub(super) fn text(name: &str, value: &str) -> Self {
        Self {
            name: Some(name.into()),
            s: Some(value.into()),
            r#type: Some(ATTRIBUTE_STRING),
            ..Self::default()
        }
    }
}

impl TensorProto {
    pub(super) fn floats(name: &str, shape: &[usize], values: &[f32]) -> Self {
        Self {
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: Some(FLOAT),
            name: Some(name.into()),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        }
    }

    pub(super) fn integers(name: &str, values: &[i64]) -> Self {
        Self {
            dims: vec![values.len() as i64],
            data_type: Some(INT64),
            name: Some(name.into()),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        }
    }
}

impl ValueInfo {
    pub(super) fn float(name: &str, dim: Vec<Dimension>) -> Self {
        Self::tensor(name, FLOAT, dim)
    }

    pub(super) fn int32(name: &str, dim: Vec<Dimension>) -> Self {
        Self::tensor(name, INT32, dim)
    }

    fn tensor(name: &str, elem_type: i32, dim: Vec<Dimension>) -> Self {
        let tensor = TensorType {
            elem_type: Some(elem_type),
            shape: Some(TensorShape { dim }),
        };
        Self {
            name: Some(name.into()),
            r#type: Some(TypeProto {
                tensor_type: Some(tensor),
            }),
        }
    }
}

impl Dimension {
    pub(super) fn fixed(size: usize) -> Self {
        Self {
            dim_value: Some(size as i64),
            dim_param: None,
        }
    }

    pub(super) fn symbol(name: &str) -> Self {
        Self {
            dim_value: None,
            dim_param: Some(name.into()),
        }
    }
}

#[cfg(test)]
impl Attribute {
    pub(super) fn outline(&self) -> String {
        match (self.i, &self.s) {
            (Some(value), _) => format!("{}={value}", self.name()),
            (_, Some(value)) => format!("{}={}", self.name(), String::from_utf8_lossy(value)),
            _ => format!("{}={:?}", self.name(), self.ints),
        }
    }
}

#[cfg(test)]
impl ValueInfo {
    pub(super) fn outline(&self) -> String {
        let tensor = self
            .r#type
            .as_ref()
            .and_then(|r#type| r#type.tensor_type.as_ref())
            .unwrap();
        let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
        let dims: Vec<String> = dims
            .map(|dim| {
                dim.dim_param
                    .clone()
                    .unwrap_or_else(|| dim.dim_value.unwrap().to_string())
            })
            .collect();
        format!("{}: type {} [{}]", self.name(), tensor.elem_type(), dims.join(", "))
    }
}
