//! ONNX Runtime's shared library, from the pinned wheel.
//!
//! Invariant: `$DUCTUS_CACHE/onnxruntime/libonnxruntime.so` points at the pinned version once `fetch` returned:
//! the `ductus` binaries look there when `ORT_DYLIB_PATH` is unset.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::wheel::Wheel;
use crate::{environment, files};

const WHEEL: Wheel = Wheel {
    title: "ONNX Runtime 1.31.1 (24 MB, once)",
    folder: "onnxruntime/1.31.1",
    requirements: include_str!("../../local/onnxruntime.txt"),
};

/// The path for `ORT_DYLIB_PATH`; a library that the user names there already is taken as it is.
pub(crate) fn fetch() -> Result<PathBuf> {
    if let Some(path) = environment::variable("ORT_DYLIB_PATH") {
        return Ok(PathBuf::from(path));
    }
    let cache = environment::cache()?;
    let folder = WHEEL.fetch(&cache)?;
    let capi = folder.join("onnxruntime/capi");
    let library = std::fs::read_dir(&capi)
        .with_context(|| format!("cannot list {}", capi.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("libonnxruntime.so"))
        })
        .with_context(|| {
            format!(
                "no libonnxruntime.so in {}: remove that folder and try again",
                capi.display()
            )
        })?;
    let link = cache.join("onnxruntime/libonnxruntime.so");
    files::link(&library, &link)?;
    Ok(link)
}
