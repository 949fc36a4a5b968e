//! `backend.bin`: the whitening of a model's scoring back-end, beside the network and named with its hash in the manifest.
//!
//! ```text
//! "ductus-backend\n" (15 bytes) · version u8 = 1 · dims u32 · mean dims × f32 · matrix dims² × f32, row-major    little-endian
//! ```
//! Invariants: nothing is read from it whose hash is not the manifest's; its length is what its dimensions say, to the byte;
//! its dimensions are the network's, and every number is finite.

use std::path::Path;

use ductus_dynamics::backend::{BackEnd, Space, Whitening};

use crate::error::ModelError;
use crate::manifest::{Manifest, read};

/// The back-end's file name inside a model folder.
pub const BACK_END_FILE: &str = "backend.bin";

const MAGIC: &[u8] = b"ductus-backend\n";
const VERSION: u8 = 1;
const HEADER: usize = MAGIC.len() + 1 + 4;

/// The bytes of a whitening's file.
pub fn back_end_bytes(whitening: &Whitening) -> Vec<u8> {
    let (dims, values) = (whitening.dims(), whitening.mean().iter().chain(whitening.matrix()));
    let mut bytes = Vec::with_capacity(HEADER + 4 * dims * (dims + 1));
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&(dims as u32).to_le_bytes());
    values.for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes
}

/// The back-end of the model in the folder `dir`: plain cosines where its manifest names none.
pub(crate) fn load(manifest: &Manifest, dir: &Path) -> Result<BackEnd, ModelError> {
    let Some(described) = &manifest.backend else {
        return Ok(BackEnd::identity(manifest.calibration));
    };
    let path = dir.join(BACK_END_FILE);
    let bytes = read(&path)?;
    crate::manifest::check_hash(&path, &bytes, &described.sha256)?;
    let whitening = parse(&bytes, manifest.embedding_dims).map_err(|reason| ModelError::BadBackEnd { path, reason })?;
    Ok(BackEnd {
        space: Space::of(whitening),
        calibration: manifest.calibration,
    })
}

fn parse(bytes: &[u8], expected_dims: usize) -> Result<Whitening, String> {
    let version = bytes
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.first())
        .ok_or("it does not begin like a back-end")?;
    if *version != VERSION {
        return Err(format!("its format is {version}, but this build knows only {VERSION}"));
    }
    let dims = bytes
        .get(MAGIC.len() + 1..HEADER)
        .and_then(|dims| dims.try_into().ok())
        .map(|dims| u32::from_le_bytes(dims) as usize)
        .ok_or("it ends within its head")?;
    if dims != expected_dims {
        return Err(format!(
            "it is for {dims} dimensions, but the network has {expected_dims}"
        ));
    }
    let (expected, found) = (4 * dims * (dims + 1), bytes.len() - HEADER);
    if expected != found {
        return Err(format!(
            "it has {found} bytes of numbers, but {dims} dimensions need {expected}"
        ));
    }
    let values = bytes[HEADER..].as_chunks::<4>().0.iter();
    let mut values: Vec<f32> = values.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let matrix = values.split_off(dims);
    Whitening::new(values, matrix).map_err(|error| error.to_string())
}
