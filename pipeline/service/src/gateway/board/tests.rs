//! Tests of this module.

use super::*;
use ductus_dynamics::wire::{Closed, Score, Source, WindowRef};

fn board(sessions_max: usize, decisions_max: usize) -> Board {
    let mut config = crate::config::Config::load_from(None, std::iter::empty(), &[])
        .expect("the defaults hold")
        .gateway;
    config.board_sessions_max = sessions_max;
    config.board_decisions_max = decisions_max;
    Board::new(&config)
}

fn put(board: &Board, session: &str, sequence: u64) -> bool {
    let decision = decision(session, sequence);
    let json = serde_json::to_string(&decision).expect("plain data");
    board.put(decision, &json)
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
    board.sessions().into_iter().map(|summary| summary.session).collect()
}

#[test]
fn the_session_longest_silent_gives_way() {
    let board = board(3, 10);
    for session in ["a", "b", "c", "a", "d"] {
        put(&board, session, board.taken());
    }
    assert_eq!(ids(&board), ["d", "a", "c"]);
    assert!(board.decisions("b").is_none());
    assert_eq!(board.taken(), 5);
}

#[test]
fn decisions_of_a_session_are_bounded_but_counted() {
    let board = board(3, 2);
    for sequence in 0..5 {
        put(&board, "a", sequence);
    }
    let kept: Vec<u64> = board
        .decisions("a")
        .expect("known")
        .iter()
        .map(|decision| decision.window.sequence)
        .collect();
    assert_eq!(kept, [3, 4]);
    assert_eq!(board.sessions()[0].windows, 5);
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
        .map(|shown| shown.id.clone())
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
