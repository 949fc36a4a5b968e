//! What `ductus doctor` says of topics that somebody made otherwise.

use ductus_tests::world::World;
use expect_test::expect;

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_do_not_bear_the_protocol_are_named() {
    let world = World::without_search("doctor").await;
    let settings = || {
        let said = world.says(&["doctor"]);
        let lines = said.lines().skip_while(|line| !line.starts_with("topic settings"));
        let lines: Vec<&str> = lines.take(2).collect();
        lines.join("\n").replace(&world.name, "WORLD")
    };
    let before = settings();
    assert!(before.starts_with("topic settings   OK"), "{before}");
    world
        .kafka
        .set("decisions", "message.timestamp.type", "CreateTime")
        .await;
    world.kafka.set("session_state", "min.compaction.lag.ms", "1000").await;
    expect![[r#"
        topic settings   PROBLEM  topic WORLD.decisions has message.timestamp.type=CreateTime, but needs LogAppendTime; topic WORLD.session-state has cleanup.policy=delete, but needs compact; topic WORLD.session-state has min.compaction.lag.ms=1000, but needs 600000 or more; topic WORLD.session-state has message.timestamp.type=CreateTime, but needs LogAppendTime
                                  mend: alter them with Kafka's kafka-configs.sh; whoever asks needs the right to describe their settings"#]]
    .assert_eq(&settings());
}
