//! Figures of others beside ours, with where they stand. Printed, not measured here: other people, or other means.

use super::Protocol;
use crate::evaluate::report::Published;

/// Figures printed for a protocol.
pub(super) fn of(protocol: Protocol) -> &'static [Published] {
    match protocol {
        Protocol::Typenet => &TYPENET,
        Protocol::Kvc => &KVC,
        Protocol::Cmu => &CMU,
        Protocol::Sapimouse => &SAPIMOUSE,
        Protocol::Balabit => &BALABIT,
        _ => &[],
    }
}

const TYPENET: [Published; 2] = [
    Published {
        name: "TypeNet reproduction with key codes",
        eer_subject: Some(0.0360),
        eer_global: Some(0.0643),
        auc: None,
        source: "models.md: 2 x LSTM-128, triplet loss, 1,700 training people of the Aalto subset, judged on 500 others of it",
    },
    Published {
        name: "TypeNet with key codes",
        eer_subject: Some(0.022),
        eer_global: None,
        auc: None,
        source: "Acien et al., IEEE TBIOM 2022: 68,000 training people, 1,000 others judged",
    },
];

const KVC: [Published; 1] = [Published {
    name: "best of the challenge",
    eer_subject: Some(0.0077),
    eer_global: Some(0.0333),
    auc: Some(0.9948),
    source: "KVC-onGoing, desktop: 115,000 development people, whole sessions, 20 impostor sessions a person",
}];

const CMU: [Published; 3] = [
    Published {
        name: "Manhattan (scaled)",
        eer_subject: Some(0.0962),
        eer_global: None,
        auc: None,
        source: "Killourhy & Maxion, DSN 2009; manhattan_scaled_raw must agree",
    },
    Published {
        name: "Nearest neighbour (Mahalanobis)",
        eer_subject: Some(0.0996),
        eer_global: None,
        auc: None,
        source: "Killourhy & Maxion, DSN 2009; mahalanobis_nearest_raw must agree",
    },
    Published {
        name: "GMM-UBM",
        eer_subject: Some(0.055),
        eer_global: None,
        auc: None,
        source: "with background people of the same set",
    },
];

const SAPIMOUSE: [Published; 2] = [
    Published {
        name: "FCN + one-class SVM, 1 block",
        eer_subject: None,
        eer_global: Some(0.176),
        auc: Some(0.876),
        source: "Antal, Fejer, Buza, SACI 2021, users 73-120; normalised per user by test scores",
    },
    Published {
        name: "FCN + one-class SVM, 5 blocks",
        eer_subject: None,
        eer_global: Some(0.090),
        auc: Some(0.950),
        source: "the same",
    },
];

const BALABIT: [Published; 1] = [Published {
    name: "random forest, set of actions",
    eer_subject: None,
    eer_global: None,
    auc: Some(0.92),
    source: "Antal & Egyed-Zsigmond, IET Biometrics 2019: whole sessions, negatives from the other users' training data",
}];
