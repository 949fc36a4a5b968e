//! Rows as text: a table, CSV (RFC 4180) or one JSON object a line.

use super::Format;
use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::fmt::Write;

/// A value as text, and whether it is one; `None` for an empty one.
type Cell = Option<String>;

pub(super) fn format(batches: &[RecordBatch], format: Format) -> Result<String> {
    let Some(first) = batches.first() else {
        return Ok(String::new());
    };
    let schema = first.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let bare: Vec<bool> = schema
        .fields()
        .iter()
        .map(|field| is_bare_json(field.data_type()))
        .collect();
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(cells(batch)?);
    }
    Ok(match format {
        Format::Table => table(&names, &rows),
        Format::Csv => csv(&names, &rows),
        Format::Json => json(&names, &bare, &rows)?,
    })
}

fn cells(batch: &RecordBatch) -> Result<Vec<Vec<Cell>>> {
    let options = FormatOptions::default().with_null("");
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for column in batch.columns() {
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options).context("cannot print a column")?;
        for (index, row) in rows.iter_mut().enumerate() {
            let cell = column.is_valid(index).then(|| formatter.value(index).to_string());
            row.push(cell);
        }
    }
    Ok(rows)
}

/// Whether a value's text is JSON as it stands.
fn is_bare_json(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => is_bare_json(item.data_type()),
        other => other.is_numeric() || *other == DataType::Boolean,
    }
}

fn table(names: &[&str], rows: &[Vec<Cell>]) -> String {
    let text = |cell: &Cell| cell.clone().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| text(&row[column]).chars().count());
        cells.chain([names[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |cells: Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(names.iter().map(|name| (*name).to_owned()).collect())];
    lines.push(line(widths.iter().map(|width| "-".repeat(*width)).collect()));
    lines.extend(rows.iter().map(|row| line(row.iter().map(text).collect())));
    lines.join("\n")
}

fn csv(names: &[&str], rows: &[Vec<Cell>]) -> String {
    let quoted = |value: &str| {
        if value.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.to_owned()
        }
    };
    let mut lines = vec![names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",")];
    for row in rows {
        lines.push(
            row.iter()
                .map(|cell| quoted(cell.as_deref().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(","),
        );
    }
    lines.join("\n")
}

fn json(names: &[&str], bare: &[bool], rows: &[Vec<Cell>]) -> Result<String> {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text.push_str(if index == 0 { "{" } else { "\n{" });
        for (column, (name, cell)) in names.iter().zip(row).enumerate() {
            let comma = if column == 0 { "" } else { "," };
            write!(text, "{comma}{}:", serde_json::to_string(name)?)?;
            match cell {
                None => text.push_str("null"),
                // Not a number is no JSON.
                Some(value) if bare[column] && !value.contains("NaN") && !value.contains("inf") => text.push_str(value),
                Some(value) => text.push_str(&serde_json::to_string(value)?),
            }
        }
        text.push('}');
    }
    Ok(text)
}
