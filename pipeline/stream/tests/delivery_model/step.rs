//! What can happen, and how a counter-example tells it.

use std::fmt;

/// One thing that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The group gives the partition to an instance, which asks for the end of the events partition.
    Assign {
        to: u8,
        frontier: u8,
    },
    /// It learns the committed offset, and from its metadata the checkpoint's number.
    Ask {
        who: u8,
        from: Option<u8>,
    },
    /// It loads the checkpoint and reads decisions back.
    Load {
        who: u8,
        from: u8,
        decisions_from: u8,
    },
    /// A model takes effect without a checkpoint; only where that is planted.
    TakeModel {
        who: u8,
        model: u8,
    },
    /// A record goes through the line.
    Handle {
        who: u8,
        record: u8,
        model: u8,
        how: Handled,
    },
    /// The first decision in the client's hands gets onto the log.
    Write {
        who: u8,
        record: u8,
        offset: u8,
    },
    /// The client gives the first decision in its hands up, and the shard is about to begin anew; only where that is planted.
    GiveUp {
        who: u8,
        record: u8,
    },
    /// A checkpoint is encoded.
    Prepare {
        who: u8,
        from: u8,
        decisions_from: u8,
        model: u8,
    },
    /// Its transaction is begun and filled; the group takes the offset.
    Send {
        who: u8,
    },
    /// The transaction's end is written: all of it will be there.
    End {
        who: u8,
    },
    /// The broker gives an open transaction up.
    Abort {
        who: u8,
    },
    /// The group's offset of the last transaction is no longer pending.
    FinishGroup,
    /// Marker and session states of the last transaction can be read.
    FinishStates,
    Crash {
        who: u8,
    },
    /// The group gives the partition away; the owner does not know, and has read the records before `limit`.
    Evict {
        who: u8,
        limit: u8,
    },
    /// A zombie finds out, or ends.
    Drop {
        who: u8,
    },
    /// The owner gives the partition back.
    Release {
        who: u8,
    },
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Handled {
    NoWindow,
    Adopted,
    Decided,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |who: u8| char::from(b'A' + who);
        match *self {
            Self::Assign { to, frontier } => write!(f, "{} is assigned the partition, F = {frontier}", name(to)),
            Self::Ask { who, from: None } => write!(f, "{} asks the group: no checkpoint", name(who)),
            Self::Ask { who, from: Some(from) } => {
                write!(f, "{} asks the group: the checkpoint with S = {from}", name(who))
            }
            Self::Load {
                who,
                from,
                decisions_from,
            } => {
                write!(
                    f,
                    "{} loads, reads back from D = {decisions_from}, replays from S = {from}",
                    name(who)
                )
            }
            Self::TakeModel { who, model } => write!(f, "{} takes model {model}", name(who)),
            Self::Handle {
                who,
                record,
                model,
                how,
            } => match how {
                Handled::NoWindow => write!(f, "{} takes record {record}, which closes no window", name(who)),
                Handled::Adopted => write!(f, "{} adopts the decision about record {record}", name(who)),
                Handled::Decided => write!(f, "{} decides about record {record} by model {model}", name(who)),
            },
            Self::Write { who, record, offset } => {
                write!(
                    f,
                    "{}'s decision about record {record} is written at {offset}",
                    name(who)
                )
            }
            Self::GiveUp { who, record } => write!(f, "{}'s decision about record {record} times out", name(who)),
            Self::Prepare {
                who,
                from,
                decisions_from,
                model,
            } => {
                let name = name(who);
                write!(
                    f,
                    "{name} prepares a checkpoint: S = {from}, D = {decisions_from}, model {model}"
                )
            }
            Self::Send { who } => write!(f, "{} sends the transaction with its offset", name(who)),
            Self::End { who } => write!(f, "{}'s transaction is committed", name(who)),
            Self::Abort { who } => write!(f, "{}'s transaction is aborted", name(who)),
            Self::FinishGroup => write!(f, "the committed group offset can be read"),
            Self::FinishStates => write!(f, "the committed marker and session states can be read"),
            Self::Crash { who } => write!(f, "{} crashes", name(who)),
            Self::Evict { who, limit } => {
                write!(
                    f,
                    "{} sleeps, having read the records before {limit}; the group evicts it",
                    name(who)
                )
            }
            Self::Drop { who } => write!(f, "{} finds out, and drops what it holds", name(who)),
            Self::Release { who } => write!(f, "{} gives the partition back", name(who)),
        }
    }
}
