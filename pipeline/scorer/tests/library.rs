//! Finding and starting the library, in a process of its own: once started it cannot be started otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;

use ductus_dynamics::event::Modality;
use ductus_scorer::{Contract, Model, Runtime, candidates, locate};
use expect_test::{Expect, expect};
use tempfile::TempDir;

#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, ductus_scorer::ModelError>, dir: &Path, expected: Expect) {
    let text = result.expect_err("it must fail").to_string();
    let text = text.replace(&dir.display().to_string(), "DIR");
    // What the system's loader says differs by system.
    let text = text
        .split_once("cannot be loaded: ")
        .map_or(text.clone(), |(before, after)| {
            let remedy = after.rsplit_once("; ").map_or("", |(_, remedy)| remedy);
            format!("{before}cannot be loaded: …; {remedy}")
        });
    expected.assert_eq(&text);
}

#[test]
fn a_place_that_was_named_is_used_or_refused() {
    let dir = TempDir::new().expect("a temporary folder");
    let at = |name: &str| dir.path().join(name);
    let nothing: [PathBuf; 0] = [];
    assert_eq!(
        candidates(None, None, None)
            .into_iter()
            .map(|place| place.path)
            .collect::<Vec<_>>(),
        nothing
    );
    check(
        locate(&candidates(None, None, None)),
        dir.path(),
        expect![
            "onnx runtime library not found; looked at no place, because none was given; run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so"
        ],
    );
    check(
        locate(&candidates(Some(&at("a")), Some(&at("b")), Some(&at("c")))),
        dir.path(),
        expect![
            "onnx runtime library not found; looked at DIR/a (configuration); run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so"
        ],
    );
    check(
        locate(&candidates(None, Some(&at("b")), Some(&at("c")))),
        dir.path(),
        expect![
            "onnx runtime library not found; looked at DIR/b (ORT_DYLIB_PATH); run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so"
        ],
    );
    check(
        locate(&candidates(None, Some(Path::new("")), Some(&at("c")))),
        dir.path(),
        expect![
            "onnx runtime library not found; looked at DIR/c/onnxruntime/libonnxruntime.so (cache folder); run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so"
        ],
    );

    std::fs::create_dir_all(at("c/onnxruntime")).expect("it is made");
    std::fs::write(at("c/onnxruntime/libonnxruntime.so"), "").expect("it is written");
    let found = locate(&candidates(None, None, Some(&at("c")))).expect("it is there");
    assert_eq!(found, at("c/onnxruntime/libonnxruntime.so"));
}

#[test]
fn a_library_that_does_not_work_is_refused_and_another_may_follow() {
    let dir = TempDir::new().expect("a temporary folder");
    let at = |name: &str| dir.path().join(name);
    check(
        Runtime::current(),
        dir.path(),
        expect![
            "onnx runtime has not been started in this process; call Runtime::start before the first model is loaded"
        ],
    );
    check(
        Model::load(dir.path(), &Contract::of(Modality::Keystroke)),
        dir.path(),
        expect![
            "onnx runtime has not been started in this process; call Runtime::start before the first model is loaded"
        ],
    );
    check(
        Runtime::start(&at("absent.so")),
        dir.path(),
        expect![
            "onnx runtime library not found; looked at DIR/absent.so (the given path); run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so"
        ],
    );
    std::fs::write(at("text.so"), "no library").expect("it is written");
    check(
        Runtime::start(&at("text.so")),
        dir.path(),
        expect![
            "onnx runtime library DIR/text.so cannot be loaded: …; run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so"
        ],
    );
    check(
        Runtime::start(&library(dir.path(), "other", "")),
        dir.path(),
        expect![
            "onnx runtime library DIR/other.so cannot be loaded: …; run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so"
        ],
    );
    check(
        Runtime::start(&library(dir.path(), "old", OLD)),
        dir.path(),
        expect![
            "onnx runtime library DIR/old.so is version 1.16.3, but 1.24 or newer is needed; run `cargo xtask demo` once, which fetches it, or set ORT_DYLIB_PATH to a libonnxruntime.so"
        ],
    );
}

/// What a library of 1.16 answers when asked for its version.
const OLD: &str = r#"
    #[repr(C)]
    pub struct Base { get_api: usize, version: extern "C" fn() -> *const u8 }
    extern "C" fn version() -> *const u8 { b"1.16.3\0".as_ptr() }
    static BASE: Base = Base { get_api: 0, version };
    #[unsafe(no_mangle)]
    pub extern "C" fn OrtGetApiBase() -> *const Base { &BASE }
"#;

/// Compiles a small dynamic library.
#[expect(clippy::disallowed_methods, reason = "cargo names its compiler in the environment")]
fn library(dir: &Path, name: &str, source: &str) -> PathBuf {
    let (file, out) = (dir.join(format!("{name}.rs")), dir.join(format!("{name}.so")));
    std::fs::write(&file, source).expect("it is written");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let done = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "cdylib", "-o"])
        .args([&out, &file])
        .status()
        .expect("rustc runs");
    assert!(done.success());
    out
}
