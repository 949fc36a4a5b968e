use super::*;
use crate::import::{Dataset, Detail, ImportArgs, ImportPurpose, import};
use expect_test::{Expect, expect};

#[track_caller]
fn check(tables: &str, format: Format, sql: &str, expected: Expect) {
    let args = QueryArgs {
        sql: sql.to_owned(),
        history: tables.to_owned(),
        format,
    };
    let text = query(&args).unwrap_or_else(|error| format!("{error:#}"));
    expected.assert_eq(&text);
}

#[test]
fn questions_about_typing_are_one_select() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "PARTICIPANT_ID\tTEST_SECTION_ID\tKEYSTROKE_ID\tPRESS_TIME\tRELEASE_TIME\tLETTER\tKEYCODE\n\
        1\t1\t1\t1471934383000\t1471934383100\ta\t65\n\
        1\t1\t2\t1471934383150\t1471934383200\t \t32\n\
        1\t1\t3\t1471934383190\t1471934383270\tb\t66\n\
        2\t2\t4\t1471934383000\t1471934393000\tc\t67\n\
        2\t2\t5\t1471934394000\t1471934394090\tc\t67\n";
    std::fs::write(folder.path().join("1_keystrokes.txt"), rows).unwrap();
    let tables = folder.path().join("tables").to_str().unwrap().to_owned();
    import(&ImportArgs {
        dataset: Dataset::Aalto,
        dir: folder.path().to_owned(),
        out: None,
        history: Some(tables.clone()),
        detail: Detail::Class,
        purpose: ImportPurpose::Session,
        subjects_max: None,
    })
    .unwrap();
    check(
        &tables,
        Format::Csv,
        "SELECT subject, class, count(*) AS presses, avg(dwell_ms) AS dwell_ms FROM keystrokes GROUP BY subject, class ORDER BY 1, 2",
        expect![[r#"
            subject,class,presses,dwell_ms
            aalto-1,letter,2,90.0
            aalto-1,space,1,50.0
            aalto-2,letter,2,90.0"#]],
    );
    check(
        &tables,
        Format::Json,
        "SELECT session, press, dwell_ms, flight_ms FROM keystrokes ORDER BY session, press",
        expect![[r#"
            {"session":"aalto-1-1","press":0,"dwell_ms":100.0,"flight_ms":null}
            {"session":"aalto-1-1","press":1,"dwell_ms":50.0,"flight_ms":50.0}
            {"session":"aalto-1-1","press":2,"dwell_ms":80.0,"flight_ms":-10.0}
            {"session":"aalto-2-2","press":0,"dwell_ms":null,"flight_ms":null}
            {"session":"aalto-2-2","press":1,"dwell_ms":90.0,"flight_ms":null}"#]],
    );
    check(
        &tables,
        Format::Table,
        "SELECT kind, count(*) AS events FROM events GROUP BY kind ORDER BY kind",
        expect![[r#"
            kind  events
            ----  ------
            down  5
            end   2
            up    5"#]],
    );
    check(
        &tables,
        Format::Table,
        "SELECT session FROM decisions",
        expect![[r#"
        session
        -------"#]],
    );
    check(
        &tables,
        Format::Table,
        "DELETE FROM events",
        expect!["the query was refused: Error during planning: DML not supported: Delete"],
    );
    let sql = "SELECT letter FROM events".to_owned();
    let error = query(&QueryArgs {
        sql,
        history: tables,
        format: Format::Table,
    })
    .unwrap_err();
    assert!(
        format!("{error:#}").starts_with("the query was refused: Schema error: No field named letter."),
        "{error:#}"
    );
}
