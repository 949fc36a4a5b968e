//! The words of the domain as SQL functions.

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::sync::Arc;

/// `dwell(pressed_us, released_us)` and `flight(released_us, pressed_us)`, both in milliseconds; empty where a time is.
pub(super) fn all() -> [ScalarUDF; 2] {
    ["dwell", "flight"].map(|name| {
        let milliseconds = |values: &[ColumnarValue]| {
            let arrays = ColumnarValue::values_to_arrays(values)?;
            let (from, to) = (
                arrays[0].as_primitive::<Int64Type>(),
                arrays[1].as_primitive::<Int64Type>(),
            );
            let between = from
                .iter()
                .zip(to)
                .map(|(from, to)| Some((to? - from?) as f64 / 1_000.0));
            Ok(ColumnarValue::Array(
                Arc::new(between.collect::<Float64Array>()) as ArrayRef
            ))
        };
        let arguments = vec![DataType::Int64, DataType::Int64];
        create_udf(
            name,
            arguments,
            DataType::Float64,
            Volatility::Immutable,
            Arc::new(milliseconds),
        )
    })
}
