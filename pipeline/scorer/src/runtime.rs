//! Finds the ONNX Runtime library and starts it, once for the process.
//!
//! Invariants: the environment is never read here, every place to look at is an argument; `ort` touches its API only after
//! a library of a known version was loaded (else it panics); a library once started stays until the process ends, because
//! ONNX Runtime allows one environment a process and its sessions point into it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::error::ModelError;

/// The file name under the cache folder where `cargo xtask` puts the library.
pub const CACHED_LIBRARY: &str = "onnxruntime/libonnxruntime.so";

/// A place where the library may lie, and who named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who named it, for the error text: `ORT_DYLIB_PATH`, `cache folder`, …
    pub source: &'static str,
    /// The file.
    pub path: PathBuf,
}

/// The places to look at, best first.
///
/// `explicit` (configuration or flag) hides `environment` (the value of `ORT_DYLIB_PATH`), which hides `cache` (Ductus's
/// cache folder): a place that somebody named is used or refused, never passed over in silence.
pub fn candidates(explicit: Option<&Path>, environment: Option<&Path>, cache: Option<&Path>) -> Vec<Candidate> {
    let explicit = explicit.map(|path| Candidate {
        source: "configuration",
        path: path.to_owned(),
    });
    let environment = environment
        .filter(|path| !path.as_os_str().is_empty())
        .map(|path| Candidate {
            source: "ORT_DYLIB_PATH",
            path: path.to_owned(),
        });
    let cache = cache.map(|folder| Candidate {
        source: "cache folder",
        path: folder.join(CACHED_LIBRARY),
    });
    explicit.or(environment).or(cache).into_iter().collect()
}

/// The first candidate that is a file, as an absolute path.
///
/// # Errors
///
/// [`ModelError::LibraryNotFound`], naming every place looked at and the command that mends it.
pub fn locate(candidates: &[Candidate]) -> Result<PathBuf, ModelError> {
    candidates
        .iter()
        .filter(|candidate| candidate.path.is_file())
        .find_map(|candidate| std::path::absolute(&candidate.path).ok())
        .ok_or_else(|| ModelError::LibraryNotFound {
            looked: candidates.to_vec(),
        })
}

/// ONNX Runtime, loaded and ready.
#[derive(Debug)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static STARTING: Mutex<()> = Mutex::new(());

impl Runtime {
    /// Loads `library` and starts ONNX Runtime. Later calls, from any thread and with any path, give the one that runs
    /// already; after a failure another path may be tried.
    ///
    /// # Errors
    ///
    /// [`ModelError::LibraryNotFound`], [`ModelError::LibraryTooOld`] or [`ModelError::LibraryUnusable`].
    pub fn start(library: &Path) -> Result<&'static Self, ModelError> {
        // A panic while starting leaves nothing half done that the next attempt could see.
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = RUNTIME.get() {
            return Ok(running);
        }
        let runtime = Self::load(library)?;
        Ok(RUNTIME.get_or_init(|| runtime))
    }

    /// [`locate`] and [`Runtime::start`] in one.
    ///
    /// # Errors
    ///
    /// As [`Runtime::start`].
    pub fn start_from(candidates: &[Candidate]) -> Result<&'static Self, ModelError> {
        match RUNTIME.get() {
            Some(running) => Ok(running),
            None => Self::start(&locate(candidates)?),
        }
    }

    /// The one that runs.
    ///
    /// # Errors
    ///
    /// [`ModelError::LibraryNotStarted`].
    pub fn current() -> Result<&'static Self, ModelError> {
        RUNTIME.get().ok_or(ModelError::LibraryNotStarted)
    }

    /// The library file in use.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// What the library says of its own build, for `doctor`.
    pub fn build_info(&self) -> &'static str {
        ort::info()
    }

    /// The environment, for a bare `ort` session beside ours: the yardstick of the benchmark.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    fn load(library: &Path) -> Result<Self, ModelError> {
        // `ort` resolves a relative path against the executable's folder, which nobody expects.
        let library = locate(&[Candidate {
            source: "the given path",
            path: library.to_owned(),
        }])?;
        let builder = ort::init_from(&library).map_err(|error| match error {
            ort::LoadDynamicError::BadVersion { version_str, path } => ModelError::LibraryTooOld {
                path,
                found: version_str,
            },
            ort::LoadDynamicError::Dlopen { error, path } => ModelError::LibraryUnusable {
                path,
                reason: error.to_string(),
            },
            other => ModelError::LibraryUnusable {
                path: library.clone(),
                reason: other.to_string(),
            },
        })?;
        let environment = builder
            .with_telemetry(false)
            .build()
            .map_err(|error| ModelError::LibraryUnusable {
                path: library.clone(),
                reason: error.to_string(),
            })?;
        // Whatever goes wrong comes back as an error value; the library must not write to standard error on its own.
        environment.set_log_level(LogLevel::Fatal);
        Ok(Self { environment, library })
    }
}
