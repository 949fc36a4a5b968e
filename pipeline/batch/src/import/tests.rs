//! Readers on tiny folders that each test writes itself: no recording is needed here.

use super::*;
use expect_test::{Expect, expect};
use std::fmt::Write as _;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        Self(folder)
    }
}

/// Every session as one line of its events, then what was refused.
#[track_caller]
fn check_detail(dataset: Dataset, detail: KeyDetail, files: &[(&str, &[u8])], expected: Expect) {
    let folder = Folder::new(files);
    let mut sessions = Sessions::open(dataset, folder.0.path(), detail).unwrap();
    let mut text = String::new();
    for recording in sessions.by_ref() {
        let subject = recording.subject.as_deref().unwrap_or("nobody");
        write!(text, "{subject} {}:", recording.session).unwrap();
        for event in &recording.events {
            let ms = presses::time_us(event) as f64 / 1e3;
            match *event {
                Event::Down { press, class, .. } => write!(text, " ↓{press}{}@{ms}", class.name()).unwrap(),
                Event::Up { press, .. } => write!(text, " ↑{press}@{ms}").unwrap(),
                Event::Move { x, y, .. } => write!(text, " move({x},{y})@{ms}").unwrap(),
                Event::Press { x, y, button, .. } => write!(text, " press{button:?}({x},{y})@{ms}").unwrap(),
                Event::Release { x, y, button, .. } => write!(text, " release{button:?}({x},{y})@{ms}").unwrap(),
                Event::Scroll { x, y, dy, .. } => write!(text, " scroll{dy}({x},{y})@{ms}").unwrap(),
                Event::Blur { .. } => text.push_str(" blur"),
                Event::End { .. } => write!(text, " end@{ms}").unwrap(),
            }
        }
        text.push('\n');
    }
    write!(text, "{}", serde_json::to_string(sessions.refused()).unwrap()).unwrap();
    expected.assert_eq(&text);
}

#[track_caller]
fn check(dataset: Dataset, files: &[(&str, &[u8])], expected: Expect) {
    check_detail(dataset, KeyDetail::Class, files, expected);
}

const AALTO: &str =
    "PARTICIPANT_ID\tTEST_SECTION_ID\tSENTENCE\tUSER_INPUT\tKEYSTROKE_ID\tPRESS_TIME\tRELEASE_TIME\tLETTER\tKEYCODE\n";

#[test]
fn aalto_rows_are_sorted_by_press_time_and_bad_ones_counted() {
    let rows = "7\t20\ts\tu\t3\t1471934383592.5\t1471934383760\tt\t84\n\
        7\t20\ts\tu\t1\t1471934383700\t1471934383650\te\t69\n\
        7\t20\ts\tu\t2\t1471934383800\t1471934383850\te\t69\n\
        7\t20\ts\tu\t2\t1471934383800\t1471934383850\te\t69\n\
        7\t20\ts\tu\t4\t1471934383700\t1471934383820\tSHIFT\t16\n\
        7\t20\ts\tu\t5\t1471934383820\t1471934383820\t!\t49\n\
        7\t20\ts\tu\n\
        7\t3\ts\tu\t6\t1471934381000\t1471934381100\t \t32\n\
        7\t20\ts\tu\t9\t14719343";
    let file = format!("{AALTO}{rows}");
    check(
        Dataset::Aalto,
        &[("keystrokes/7_keystrokes.txt", file.as_bytes())],
        expect![[r#"
        aalto-7 aalto-7-3: ↓0space@0 ↑0@100 end@100
        aalto-7 aalto-7-20: ↓0modifier@0 ↓1letter@100 ↑0@120 ↓2punctuation@120 ↑2@120 ↑1@150 end@150
        {"duplicate_row":1,"non_integer_time":1,"release_before_press":1,"truncated_file":1,"wrong_columns":1}"#]],
    );
}

#[test]
fn aalto_in_latin_1_without_its_folder_and_with_hands() {
    let mut file = format!("{AALTO}12\t1\tcaf").into_bytes();
    file.extend(
        b"\xe9\tcaf\xe9\t1\t1471934383000\t1471934383100\tf\t70\n12\t1\ts\tu\t2\t1471934383200\t1471934383300\tj\t74\n",
    );
    check_detail(
        Dataset::Aalto,
        KeyDetail::Hand,
        &[("12_keystrokes.txt", &file), ("notes.txt", b"x")],
        expect![[r#"
        aalto-12 aalto-12-1: ↓0letter_left@0 ↑0@100 ↓1letter_right@200 ↑1@300 end@300
        {}"#]],
    );
}

#[test]
fn pohmm_knows_three_files_and_other_people_in_each() {
    check(
        Dataset::Pohmm,
        &[
            (
                "free_text.csv",
                b"user,session,keyname,timepress,timerelease\n3,1,shift,0,374\n3,1,t,296,374\n3,0,a,5,9\n3,0,a,5,9\n",
            ),
            (
                "keypad.csv",
                b"user,session,timepress,timerelease,keycode,keyname\n3,0,0,78,105,numpad_9\n3,0,x,78,105,enter\n",
            ),
            (
                "mobile.csv",
                b"user,session,keyname,timepress,timerelease,pressure\n0,0,9,0,59,0.5\n",
            ),
        ],
        expect![[r#"
            pohmm-free-3 pohmm-free-3-0: ↓0letter@5 ↑0@9 end@9
            pohmm-free-3 pohmm-free-3-1: ↓0modifier@0 ↓1letter@296 ↑0@374 ↑1@374 end@374
            pohmm-keypad-3 pohmm-keypad-3-0: ↓0digit@0 ↑0@78 end@78
            {"duplicate_row":1,"non_integer_time":1}"#]],
    );
}

#[test]
fn sapimouse_marks_unknown_places() {
    let file = b"client timestamp,button,state,x,y\n100,NoButton,Move,10,20\n100,NoButton,Move,10,20\n\
        116,NoButton,Move,65535,20\n120,Left,Pressed,12,22\n130,Left,Drag,13,23\n125,Left,Drag,14,23\n140,Left,Released,14,24\n\
        150,Left,Hovered,1,1\n160,NoButton,Move,1";
    check(
        Dataset::Sapimouse,
        &[
            ("user2/session_2020_05_14_1min.csv", &file[..]),
            ("user10/session_3min.csv", &file[..60]),
            ("README", b"x"),
        ],
        expect![[r#"
            sapimouse-user2 sapimouse-user2-2020_05_14_1min: move(10,20)@0 pressPrimary(12,22)@20 move(13,23)@30 releasePrimary(14,24)@40 end@40
            sapimouse-user10 sapimouse-user10-3min: move(10,20)@0 end@0
            {"duplicate_row":1,"invalid_coordinates":1,"time_goes_back":1,"truncated_file":2,"unknown_value":1}"#]],
    );
}

#[test]
fn balabit_test_sessions_have_a_subject_only_where_they_are_known_to_be_legal() {
    let head = "record timestamp,client timestamp,button,state,x,y\n";
    let file = format!(
        "{head}0.0,0.0,NoButton,Move,505,580\n0.1,0.109000000171,Scroll,Down,0,0\n0.2,0.2,Right,Pressed,506,581\n"
    );
    check(
        Dataset::Balabit,
        &[
            ("training_files/user7/session_1", file.as_bytes()),
            ("test_files/user7/session_2", file.as_bytes()),
            ("test_files/user7/session_3", file.as_bytes()),
            ("test_files/user7/session_4", b"time,x\n1,2\n"),
            ("public_labels.csv", b"filename,is_illegal\nsession_2,0\nsession_3,1\n"),
        ],
        expect![[r#"
            balabit-user7 balabit-user7-training-1: move(505,580)@0 scroll120(505,580)@109 pressSecondary(506,581)@200 end@200
            balabit-user7 balabit-user7-test-2: move(505,580)@0 scroll120(505,580)@109 pressSecondary(506,581)@200 end@200
            nobody balabit-user7-test-3: move(505,580)@0 scroll120(505,580)@109 pressSecondary(506,581)@200 end@200
            {"wrong_header":1}"#]],
    );
}

#[test]
fn cmu_times_are_put_together_from_their_differences() {
    let file = b"subject,sessionIndex,rep,H.period,DD.period.t,UD.period.t,H.t,DD.t.Return,UD.t.Return,H.Return\n\
        s002,1,1,0.1491,0.3979,0.2488,0.1069,0.1674,0.0605,0.0742\n\
        s002,1,2,0.1111,0.3451,0.2340,0.0694,0.1283,0.0589,0.0747\n\
        s002,1,3,0.1111,0.3451,0.9999,0.0694,0.1283,0.0589,0.0747\n";
    check(
        Dataset::Cmu,
        &[("DSL-StrongPasswordData.csv", &file[..]), ("other.csv", b"a,b\n")],
        expect![[r#"
        cmu-s002 cmu-s002-1: ↓0punctuation@0 ↑0@149.1 ↓1letter@397.9 ↑1@504.8 ↓2enter@565.3 ↑2@639.5 ↓3punctuation@2639.5 ↑3@2750.6 ↓4letter@2984.6 ↑4@3054 ↓5enter@3112.9 ↑5@3187.6 end@3187.6
        {"inconsistent_times":1}"#]],
    );
}

#[test]
fn keyrecs_chains_digraphs_and_breaks_where_they_do() {
    let free = b"participant,session,key1,key2,DU.key1.key1,DD.key1.key2,DU.key1.key2,UD.key1.key2,UU.key1.key2\n\
        p001,1,t,h,0.100,0.150,0.240,0.050,0.140\n\
        p001,1,h,Space,0.090,0.200,0.280,0.110,0.190\n\
        p001,1,x,y,0.080,0.100,0.190,0.020,0.110\n";
    let fixed =
        b"participant,session,repetition,DU.v.v,DD.v.p,DU.v.p,UD.v.p,UU.v.p,DU.p.p,DD.p.1,DU.p.1,UD.p.1,UU.p.1\n\
        p001,2,1,0.090,0.120,0.210,0.030,0.120,0.090,0.200,0.270,0.110,0.180\n";
    check(
        Dataset::Keyrecs,
        &[("free-text.csv", &free[..]), ("fixed-text.csv", &fixed[..])],
        expect![[r#"
        keyrecs-p001 keyrecs-p001-fixed-2: ↓0letter@0 ↑0@90 ↓1letter@120 ↑1@210 ↓2digit@320 ↑2@390 end@390
        keyrecs-p001 keyrecs-p001-free-1: ↓0letter@0 ↑0@100 ↓1letter@150 ↑1@240 ↓2space@350 ↑2@430 end@430
        keyrecs-p001 keyrecs-p001-free-1-1: ↓0letter@0 ↑0@80 ↓1letter@100 ↑1@190 end@190
        {}"#]],
    );
}

#[test]
fn files_that_are_none_are_counted() {
    check(
        Dataset::Aalto,
        &[
            ("1_keystrokes.txt", b""),
            ("2_keystrokes.txt", b"\x00\x01\x02"),
            ("3_keystrokes.txt", b"PARTICIPANT_ID\tPRESS_TIME\n1\t2\n"),
        ],
        expect![[r#"{"empty_file":1,"not_text":1,"wrong_header":1}"#]],
    );
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let folder = Folder::new(&[("readme.txt", b"x")]);
    for dataset in Dataset::ALL {
        let error = Sessions::open(dataset, folder.0.path(), KeyDetail::Class)
            .unwrap_err()
            .to_string();
        assert!(error.contains("holds no file of the data set"), "{error}");
    }
}

#[test]
fn batches_are_small_and_consecutive() {
    let mut rows = AALTO.to_owned();
    for i in 0..350 {
        let at = 1_471_934_383_000_i64 + i * 100;
        writeln!(rows, "7\t20\ts\tu\t{i}\t{at}\t{}\ta\t65", at + 80).unwrap();
    }
    let folder = Folder::new(&[("7_keystrokes.txt", rows.as_bytes())]);
    let out = folder.0.path().join("batches.ndjson");
    let args = ImportArgs {
        dataset: Dataset::Aalto,
        dir: folder.0.path().to_owned(),
        out: Some(out.clone()),
        history: None,
        detail: Detail::Class,
        purpose: ImportPurpose::Session,
        subjects_max: None,
    };
    let summary = import(&args).unwrap();
    expect![[r#"{"dataset":"aalto","subjects":1,"sessions":1,"batches":4,"events":701,"refused":{}}"#]]
        .assert_eq(&serde_json::to_string(&summary).unwrap());
    let lines = std::fs::read_to_string(out).unwrap();
    let batches: Vec<EventBatch> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(batches.iter().map(|batch| batch.seq).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(
        batches.iter().map(|batch| batch.events.len()).collect::<Vec<_>>(),
        [200, 200, 200, 101]
    );
    assert!(
        batches
            .iter()
            .all(|batch| batch.session == "aalto-7-20" && batch.clock == batches[0].clock)
    );
}
