//! Rows of the events table.

use super::{RowSource, day, int32, record_batch};
use crate::error::HistoryError;
use crate::names::{Named, kind};
use crate::schema::Table;
use arrow::array::{BooleanBuilder, Date32Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder};
use ductus_dynamics::event::{Button, EventKind, InputEvent, KeyClass};
use ductus_dynamics::parse::BatchHead;
use std::sync::Arc;

/// Collects rows of the events table.
#[derive(Debug, Default)]
pub struct EventRows {
    rows: usize,
    event_date: Date32Builder,
    tenant: StringBuilder,
    subject: StringBuilder,
    session: StringBuilder,
    seq: Int64Builder,
    purpose: StringBuilder,
    detail: StringBuilder,
    keyboard: StringBuilder,
    pointer: StringBuilder,
    layout: StringBuilder,
    touch: BooleanBuilder,
    clock_origin_us: Int64Builder,
    clock_resolution_us: Int64Builder,
    t_us: Int64Builder,
    kind: StringBuilder,
    press: Int64Builder,
    class: StringBuilder,
    x: Int32Builder,
    y: Int32Builder,
    dx: Int32Builder,
    dy: Int32Builder,
    button: StringBuilder,
    source_partition: Int32Builder,
    source_offset: Int64Builder,
    index: Int32Builder,
    ingested_us: Int64Builder,
}

impl EventRows {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends one row for each event of a batch; `events` have absolute times, as [`ductus_dynamics::parse::parse`] gives them.
    pub fn push(&mut self, head: &BatchHead<'_>, events: &[InputEvent], source: &RowSource) {
        for (index, event) in events.iter().enumerate() {
            self.push_head(head);
            self.event_date.append_value(day(event.t_us));
            self.t_us.append_value(event.t_us);
            self.push_kind(&event.kind);
            self.source_partition.append_value(source.partition);
            self.source_offset.append_value(source.offset);
            self.index.append_value(int32(index));
            self.ingested_us.append_option(source.ingested_us);
        }
        self.rows += events.len();
    }

    fn push_head(&mut self, head: &BatchHead<'_>) {
        self.tenant.append_value(head.tenant);
        self.subject.append_option(head.subject);
        self.session.append_value(head.session);
        self.seq.append_value(i64::from(head.seq));
        self.purpose.append_value(head.purpose.word());
        self.detail.append_value(head.detail.word());
        self.keyboard.append_value(head.device.keyboard.word());
        self.pointer.append_value(head.device.pointer.word());
        self.layout.append_value(head.device.layout.word());
        self.touch.append_value(head.device.touch);
        self.clock_origin_us.append_value(head.clock.origin_us);
        self.clock_resolution_us
            .append_value(i64::from(head.clock.resolution_us));
    }

    fn push_kind(&mut self, event: &EventKind) {
        let flat = Flat::of(event);
        self.kind.append_value(flat.kind);
        self.press.append_option(flat.press.map(i64::from));
        self.class.append_option(flat.class.map(KeyClass::word));
        self.x.append_option(flat.at.map(|(x, _)| x));
        self.y.append_option(flat.at.map(|(_, y)| y));
        self.dx.append_option(flat.by.map(|(dx, _)| dx));
        self.dy.append_option(flat.by.map(|(_, dy)| dy));
        self.button.append_option(flat.button.map(Button::word));
    }

    /// The rows as one Arrow batch; the builder is empty afterwards.
    ///
    /// # Errors
    /// Only by a mistake in this crate: the columns do not fit the schema.
    pub fn finish(&mut self) -> Result<RecordBatch, HistoryError> {
        self.rows = 0;
        record_batch(
            Table::Events,
            vec![
                Arc::new(self.event_date.finish()),
                Arc::new(self.tenant.finish()),
                Arc::new(self.subject.finish()),
                Arc::new(self.session.finish()),
                Arc::new(self.seq.finish()),
                Arc::new(self.purpose.finish()),
                Arc::new(self.detail.finish()),
                Arc::new(self.keyboard.finish()),
                Arc::new(self.pointer.finish()),
                Arc::new(self.layout.finish()),
                Arc::new(self.touch.finish()),
                Arc::new(self.clock_origin_us.finish()),
                Arc::new(self.clock_resolution_us.finish()),
                Arc::new(self.t_us.finish()),
                Arc::new(self.kind.finish()),
                Arc::new(self.press.finish()),
                Arc::new(self.class.finish()),
                Arc::new(self.x.finish()),
                Arc::new(self.y.finish()),
                Arc::new(self.dx.finish()),
                Arc::new(self.dy.finish()),
                Arc::new(self.button.finish()),
                Arc::new(self.source_partition.finish()),
                Arc::new(self.source_offset.finish()),
                Arc::new(self.index.finish()),
                Arc::new(self.ingested_us.finish()),
            ],
        )
    }
}

/// An event with one slot for every column.
#[derive(Clone, Copy)]
struct Flat {
    kind: &'static str,
    press: Option<u32>,
    class: Option<KeyClass>,
    at: Option<(i32, i32)>,
    by: Option<(i32, i32)>,
    button: Option<Button>,
}

impl Flat {
    fn of(event: &EventKind) -> Self {
        let none = Self {
            kind: "",
            press: None,
            class: None,
            at: None,
            by: None,
            button: None,
        };
        match *event {
            EventKind::KeyDown { press, class } => Self {
                kind: kind::DOWN,
                press: Some(press),
                class: Some(class),
                ..none
            },
            EventKind::KeyUp { press } => Self {
                kind: kind::UP,
                press: Some(press),
                ..none
            },
            EventKind::Move { x, y } => Self {
                kind: kind::MOVE,
                at: Some((x, y)),
                ..none
            },
            EventKind::ButtonDown { button, x, y } => Self {
                kind: kind::PRESS,
                at: Some((x, y)),
                button: Some(button),
                ..none
            },
            EventKind::ButtonUp { button, x, y } => Self {
                kind: kind::RELEASE,
                at: Some((x, y)),
                button: Some(button),
                ..none
            },
            EventKind::Scroll { dx, dy, x, y } => Self {
                kind: kind::SCROLL,
                at: Some((x, y)),
                by: Some((dx, dy)),
                ..none
            },
            EventKind::Blur => Self {
                kind: kind::BLUR,
                ..none
            },
            EventKind::End => Self {
                kind: kind::END,
                ..none
            },
        }
    }
}
