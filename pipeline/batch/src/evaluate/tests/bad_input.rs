//! Folders as they come: every fault is counted by its reason, and the report says how many people remain.

use super::*;
use std::fs;

struct Folder {
    dir: tempfile::TempDir,
    model: PathBuf,
}

impl Folder {
    /// Eight good people, and a model.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fixtures::aalto(&dir.path().join("data"), 8, 15, 40);
        let model = fixtures::model(&dir.path().join("data"), &dir.path().join("v1"), "3", &[]);
        Self { dir, model }
    }

    fn file(&self, person: u32) -> PathBuf {
        let name = format!("{person}_keystrokes.txt");
        self.dir.path().join("data").join("keystrokes").join(name)
    }

    fn text(&self, person: u32) -> String {
        fs::read_to_string(self.file(person)).unwrap()
    }

    fn judge(&self) -> Result<serde_json::Value> {
        let report = self.dir.path().join("report.json");
        compare(&args(
            Protocol::Typenet,
            &self.dir.path().join("data"),
            &self.model,
            &report,
        ))?;
        Ok(serde_json::from_str(&fs::read_to_string(report)?)?)
    }
}

#[test]
fn faults_are_counted_and_the_others_judged() {
    let folder = Folder::new();
    let header_end = folder.text(0).find('\n').unwrap() + 1;
    // 0: cut off in the middle of a row. 1: a column missing. 2: Latin-1. 3: three sessions. 4: a session twice. 5: no text.
    // 6: empty. 7: as it was.
    let cut = folder.text(0);
    fs::write(folder.file(0), &cut[..cut.len() - 12]).unwrap();
    fs::write(folder.file(1), folder.text(1).replacen("\tRELEASE_TIME", "", 1)).unwrap();
    let latin: Vec<u8> = folder
        .text(2)
        .replace("\ts\tu\t", "\té\tu\t")
        .chars()
        .map(|c| c as u8)
        .collect();
    fs::write(folder.file(2), latin).unwrap();
    let few: String = folder.text(3).split_inclusive('\n').take(1 + 3 * 40).collect();
    fs::write(folder.file(3), few).unwrap();
    let twice: String = folder.text(4)[header_end..]
        .lines()
        .filter_map(|line| line.strip_prefix("4\t0\t"))
        .map(|rest| format!("4\t15\t{rest}\n"))
        .collect();
    fs::write(folder.file(4), folder.text(4) + &twice).unwrap();
    fs::write(folder.file(5), [0, 1, 2, 0]).unwrap();
    fs::write(folder.file(6), "").unwrap();
    let report = folder.judge().unwrap();
    let refused = |reason: &str| report["refused"][reason].as_u64();
    assert_eq!(refused("truncated_file"), Some(1), "{report}");
    assert_eq!(refused("wrong_header"), Some(1));
    assert_eq!(refused("duplicate_session"), Some(1));
    assert_eq!(refused("not_text"), Some(1));
    assert_eq!(refused("empty_file"), Some(1));
    // People 0, 2, 4 and 7 remain of the five that could be read.
    assert_eq!(report["people_read"], 5);
    assert_eq!(report["subjects"], 4);
    assert_eq!(report["notes"][0], "1 subjects left out: fewer than 15 sessions");
}

#[test]
fn too_few_people_are_refused_with_words() {
    let folder = Folder::new();
    for person in 1..8 {
        fs::remove_file(folder.file(person)).unwrap();
    }
    let refused = format!("{:#}", folder.judge().unwrap_err());
    assert!(
        refused.starts_with("1 subject(s) have enough data for this protocol"),
        "{refused}"
    );
    fs::remove_file(folder.file(0)).unwrap();
    let refused = format!("{:#}", folder.judge().unwrap_err());
    assert!(refused.contains("holds no file of the data set aalto"), "{refused}");
}
