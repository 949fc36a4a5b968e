//! Tests of this module.

use super::*;
use ductus_dynamics::wire::{Closed, Score, Source, WindowRef};

fn board(sessions_max: usize, decisions_max: usize) -> Board {
    bounded(sessions_max, decisions_max, 100)
}

fn bounded(sessions_max: usize, decisions_max: usize, decisions_total_max: usize) -> Board {
    let mut config = crate::config::Config::load_from(None, std::iter::empty(), &[])
        .expect("the defaults hold")
        .gateway;
    config.board_sessions_max = sessions_max;
    config.board_decisions_max = decisions_max;
    config.board_decisions_total_max = decisions_total_max;
    Board::new(&config)
}

/// Offsets run over all sessions.
fn put(board: &Board, session: &str, sequence: u64) -> bool {
    let offset = board.taken() as i64;
    put_at(board, offset, decision(session, sequence))
}

fn put_at(board: &Board, offset: i64, decision: Decision) -> bool {
    board.put(Placed {
        place: Place { partition: 0, offset },
        decision,
    })
}

fn decision(session: &str, sequence: u64) -> Decision {
    Decision {
        v: 1,
        id: format!("{session}-{sequence}"),
        tenant: "t".to_owned(),
        subject: Some("ann".to_owned()),
        session: session.to_owned(),
        window: WindowRef {
            modality: Modality::Keystroke,
            sequence,
            start_us: 0,
            end_us: sequence as i64,
            steps: 50,
            closed: Closed::Count,
        },
        risk: 12.0,
        confidence: 0.5,
        action: Action::Allow,
        reasons: Vec::new(),
        score: Score {
            comparison: None,
            llr: None,
            evidence: 0.0,
        },
        model: None,
        reference: None,
        source: Source {
            topic: "e".to_owned(),
            partition: 0,
            offset: 0,
        },
        time_us: sequence as i64,
    }
}

fn ids(board: &Board) -> Vec<String> {
    board
        .sessions(None, 10)
        .into_iter()
        .map(|summary| summary.session)
        .collect()
}

#[test]
fn the_session_longest_silent_gives_way() {
    let board = board(3, 10);
    for session in ["a", "b", "c", "a", "d"] {
        put(&board, session, board.taken());
    }
    assert_eq!(ids(&board), ["d", "a", "c"]);
    assert!(board.decisions(None, "b").is_none());
    assert_eq!(board.taken(), 5);
}

#[test]
fn decisions_of_a_session_are_bounded_but_counted() {
    let board = board(3, 2);
    for sequence in 0..5 {
        put(&board, "a", sequence);
    }
    let kept: Vec<u64> = board
        .decisions(None, "a")
        .expect("known")
        .iter()
        .map(|placed| placed.decision.window.sequence)
        .collect();
    assert_eq!(kept, [3, 4]);
    assert_eq!(board.sessions(None, 10)[0].windows, 5);
}

#[test]
fn a_repeated_decision_changes_nothing() {
    let board = board(3, 10);
    let mut reader = board.subscribe();
    assert!(put(&board, "a", 0));
    assert!(put(&board, "b", 0));
    assert!(!put(&board, "a", 0));
    assert_eq!(ids(&board), ["b", "a"]);
    assert_eq!(board.taken(), 2);
    let shown: Vec<String> = std::iter::from_fn(|| reader.try_recv().ok())
        .map(|shown| shown.decision.id.clone())
        .collect();
    assert_eq!(shown, ["a-0", "b-0"]);
}

#[test]
fn forgetting_leaves_the_others() {
    let board = board(3, 10);
    for session in ["a", "b", "c"] {
        put(&board, session, 0);
    }
    board.forget(|session| session == "b");
    assert_eq!(ids(&board), ["c", "a"]);
    put(&board, "d", 0);
    put(&board, "e", 0);
    assert_eq!(ids(&board), ["e", "d", "c"]);
}

#[test]
fn sessions_of_two_tenants_never_meet() {
    let board = board(3, 10);
    put(&board, "a", 0);
    let mut of_another = decision("a", 7);
    of_another.tenant = "u".to_owned();
    of_another.id = "another".to_owned();
    put_at(&board, 1, of_another);
    let latest = |tenant| board.latest(tenant, "a").map(|placed| placed.decision.window.sequence);
    assert_eq!(
        (latest(Some("t")), latest(Some("u")), latest(Some("v"))),
        (Some(0), Some(7), None)
    );
    assert!(latest(None).is_some(), "an operator sees some");
    assert_eq!(board.sessions(Some("u"), 10).len(), 1);
    assert_eq!(board.sessions(None, 1).len(), 1);
}

/// What a reader that came as far as `offset` gets, by sequence; none where the topic has to be asked.
fn since(board: &Board, session: &str, offset: i64) -> Option<Vec<u64>> {
    match board.since(Some("t"), session, Place { partition: 0, offset }) {
        Since::All(news) => Some(news.iter().map(|placed| placed.decision.window.sequence).collect()),
        Since::Gone => None,
    }
}

#[test]
fn a_reader_gets_what_it_has_not_had_or_hears_that_it_is_gone() {
    let board = board(2, 2);
    assert_eq!(since(&board, "a", 4), None, "nothing was seen yet");
    for (offset, sequence) in [(10, 0), (11, 1)] {
        put_at(&board, offset, decision("a", sequence));
    }
    assert_eq!(since(&board, "a", 8), None, "the board began to look after 9");
    assert_eq!(since(&board, "a", 9), Some(vec![0, 1]));
    assert_eq!(since(&board, "a", 10), Some(vec![1]));
    assert_eq!(since(&board, "a", 11), Some(vec![]));
    assert_eq!(since(&board, "never", 11), Some(vec![]));
    put_at(&board, 12, decision("a", 2));
    assert_eq!(since(&board, "a", 9), None, "the first gave way");
    assert_eq!(since(&board, "a", 10), Some(vec![1, 2]));
    for (offset, session) in [(13, "b"), (14, "c")] {
        put_at(&board, offset, decision(session, 0));
    }
    assert_eq!(since(&board, "a", 11), None, "the whole session gave way");
    assert_eq!(since(&board, "a", 12), Some(vec![]), "to one that had all of it");
    assert_eq!(since(&board, "c", 13), Some(vec![0]));
}

#[test]
fn the_oldest_of_all_give_way_but_no_sessions_latest() {
    let board = bounded(10, 10, 4);
    put(&board, "silent", 0);
    for sequence in 0..6 {
        put(&board, "busy", sequence);
    }
    let kept = |session| board.decisions(None, session).map(|kept| kept.len());
    assert_eq!((kept("silent"), kept("busy")), (Some(1), Some(4)));
    assert_eq!(since(&board, "busy", 1), None);
    assert_eq!(since(&board, "busy", 2), Some(vec![2, 3, 4, 5]));
}

#[test]
fn a_search_goes_on_where_it_ended_and_looks_at_so_many_only() {
    let board = bounded(1000, 1000, 1000);
    for sequence in 0..100 {
        put(&board, if sequence % 10 == 0 { "rare" } else { "often" }, sequence);
    }
    let wanted = Wanted {
        session: Some("rare".to_owned()),
        ..Wanted::default()
    };
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = board.search(&wanted, after, 3);
        assert_eq!(page.complete_since_us, Some(0));
        found.extend(page.decisions.iter().map(|placed| placed.decision.window.sequence));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
    assert_eq!(pages, 4);
    assert!(board.decision(Some("t"), "rare-90").is_some());
    assert!(board.decision(Some("u"), "rare-90").is_none());
    assert!(board.decision(None, "rare-91").is_none());
}

#[test]
fn what_gave_way_is_not_found() {
    let board = bounded(10, 10, 3);
    for sequence in 0..5 {
        put(&board, "s", sequence);
    }
    let found = board.search(&Wanted::default(), None, 10);
    let sequences: Vec<u64> = found
        .decisions
        .iter()
        .map(|placed| placed.decision.window.sequence)
        .collect();
    assert_eq!(sequences, [4, 3, 2]);
    assert!(board.decision(None, "s-1").is_none());
    assert!(board.decision(None, "s-2").is_some());
    board.forget(|session| session == "s");
    assert!(board.search(&Wanted::default(), None, 10).decisions.is_empty());
    assert!(board.decision(None, "s-4").is_none());
}
