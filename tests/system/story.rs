//! What people see of it, in a real browser: the whole story from registering to erasure, and the quick start as a new
//! application developer runs it.
//!
//! Each starts real programs on the real Kafka; what is done and looked at there stands in `web/story`, `web/examples/test`
//! and `clients/python/tests`.

use ductus_tests::guest;
use ductus_tests::process::free_address;
use ductus_tests::search::Search;
use ductus_tests::world::World;

/// The tenant of the demo, and of the quick start's pages.
const TENANT: &str = "demo";

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_walks_the_whole_story() {
    let listen = free_address();
    let world = World::new("story", &Search::elasticsearch(), "").await;
    let world = world.with_released_models().with_sets([
        // As in production: whoever opens the console or tries it shows a key.
        "access.mode=keys",
        "access.database=sqlite:accounts.sqlite",
        // One round of players, so that nobody's page loads anew in the middle of the walk.
        "demo.round_pause_ms=3600000",
    ]);
    let key = world.make_key(TENANT, "ingest,verify,monitor,admin");
    let demo = world.start_demo(&listen).await;
    let (_, port) = listen.rsplit_once(':').unwrap();
    // By name: passkeys are bound to one, and people are signed in under one address only.
    let gateway = format!("http://localhost:{port}");
    let environment = [("DUCTUS_GATEWAY", gateway.as_str()), ("DUCTUS_KEY", key.as_str())];
    guest::vitest(&["--project", "story"], &environment);
    demo.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_shows_a_first_risk() {
    let (listen, pages) = (free_address(), free_address());
    let world = World::without_search("quick").await;
    let world = world.with_sets([format!("gateway.cors_origins=http://{pages}")]);
    let key = world.make_key(TENANT, "ingest,monitor,verify");
    let gateway = world.start_gateway(&listen).await;
    let score = world.start(&["score"]).await;
    let address = format!("http://{listen}");
    let environment = [
        ("DUCTUS_GATEWAY", address.as_str()),
        ("DUCTUS_KEY", key.as_str()),
        ("DUCTUS_PAGES", pages.as_str()),
    ];
    guest::vitest(&["--project", "browser", "examples"], &environment);
    guest::unittest("test_quickstart.py", &environment);
    gateway.stop();
    score.stop();
}
