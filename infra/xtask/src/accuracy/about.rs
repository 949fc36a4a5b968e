//! What each protocol asks and where it comes from, for somebody who does not know the field.

/// A protocol in words.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) title: &'static str,
    /// One sentence.
    pub(crate) asks: &'static str,
    /// Whose it is, and how trials are laid out.
    pub(crate) source: &'static str,
    /// Pictures of the first row: name of the file that `evaluate` writes, and what it shows.
    pub(crate) pictures: &'static [(&'static str, &'static str)],
}

const DET: (&str, &str) = ("det.svg", "Detection error trade-off");
const ROC: (&str, &str) = ("roc.svg", "Receiver operating characteristic");
const RELIABILITY: (&str, &str) = ("reliability.svg", "Do calibrated scores mean what they say");

pub(crate) const TYPENET: About = About {
    title: "typenet: one sentence against five",
    asks: "Somebody types a sentence: is it the person who typed five others a few minutes ago, on the same machine?",
    source: "Acien et al., IEEE TBIOM 2022, on Aalto's desktop recordings (Dhakal et al., CHI 2018): the first 50 keys of each of \
             fifteen sentences; sentences 0 to G - 1 enrol (G = 5 unless said otherwise), 10-14 are genuine, sentence 11 of \
             everybody else is an impostor. All fifteen come from one sitting, so clock, keyboard and mood help; the rows on \
             coarse grids show how much of it is the clock. Several windows are compared by their mean embedding.",
    pictures: &[DET, RELIABILITY],
};

pub(crate) const KVC: About = About {
    title: "kvc: whole sentences",
    asks: "The same with whole sentences: five enrol, ten are verified.",
    source: "After the Keystroke Verification Challenge (Stragapede et al., Pattern Recognition 2025), on the same recordings, with \
             everybody else as impostors; the challenge draws twenty, half of them of the same age and sex.",
    pictures: &[],
};

pub(crate) const CROSS: About = About {
    title: "cross: other people, other machines, other days",
    asks: "How well does a model work for a collection of which it has seen nothing, with days between enrolment and probe?",
    source: "Free text of Monaco & Tappert, Pattern Recognition 2018 (Pace), 55 people; references from the first three or four \
             samples, five probes from the last two, impostors are everybody else's probes. The learned whitening is what a \
             deployment would learn from its own enrolled people: for every comparison from all people but the two compared. Aalto's people \
             by the model of Pace: first half of a person's windows enrols, the second half are probes. With one genuine trial \
             of five windows a person, no error rate per subject is given.",
    pictures: &[DET, RELIABILITY],
};

pub(crate) const POHMM: About = About {
    title: "pohmm: leave one sample out",
    asks: "A person typed on six occasions: does the sixth, as a whole, look like the other five?",
    source: "Monaco & Tappert, Pattern Recognition 2018, free text: each sample in turn is the probe, all others of the person enrol, \
             and everybody's sample of that turn is compared with everybody.",
    pictures: &[],
};

pub(crate) const CMU: About = About {
    title: "cmu: one password, four hundred times",
    asks: "Does somebody else who knows the password type it as its owner does?",
    source: "Killourhy & Maxion, DSN 2009: 200 repetitions enrol, 200 are genuine trials, the first five of 50 others are impostors. \
             Two of their detectors on the raw vectors show that the layout is right.",
    pictures: &[DET],
};

pub(crate) const SAPIMOUSE: About = About {
    title: "sapimouse: a minute with the mouse",
    asks: "Is it the same person who moves the mouse, from 128 events (some seconds) or five times as many?",
    source: "Antal, Fejér & Buza, SACI 2021: users from 73 on, of whom 24 are here; the three-minute session enrols, blocks of the \
             one-minute session are probes for everybody. Both sessions of nearly everybody are from one day and one machine; at \
             60 Hz the sampling rate of the mouse no longer tells people apart.",
    pictures: &[ROC, RELIABILITY],
};

pub(crate) const BALABIT: About = About {
    title: "balabit: whole sessions of remote work",
    asks: "Ten people work over remote desktops: is a labelled session the claimed user's?",
    source: "Balabit Mouse Dynamics Challenge (Fülöp et al., 2016): a user's training sessions enrol, every labelled test session is \
             judged as a whole; half of the public labels are here. Clocks differ by user (about 16 ms for three, 110 ms for \
             seven), which helps whoever looks at clocks. Ten people give wide intervals.",
    pictures: &[ROC],
};

pub(crate) const CHIMERA: About = About {
    title: "chimera: typing and pointer together",
    asks: "How much is gained when one decision sees 50 keys and 128 pointer events?",
    source: "People who never were: typists of Aalto and pointers of SapiMouse joined by a fixed seed, so that both modalities are \
             independent; in a real person they need not be. The log-likelihood ratios are added.",
    pictures: &[],
};

pub(crate) const CONTINUOUS: About = About {
    title: "continuous: somebody takes over in mid-session",
    asks: "After how many actions is a step-up asked for, if the right person may be bothered once in eight hours of activity?",
    source: "Half of the people (by a hash of their pseudonym) choose the threshold, the other half are reported, impostors from the \
             same half. Everything runs through the stream's own windows, evidence and decisions; not found counts as later than \
             any. An action is a key press or a pointer event. The recordings are \
             short: where all reported people together have a few hours, that no false step-up was seen proves little about eight.",
    pictures: &[("takeover.svg", "Risk when somebody else takes over")],
};

pub(crate) const ATTACKS: About = About {
    title: "attacks: replays, forgeries, scripts",
    asks: "How many attack sessions end without a step-up at the default thresholds, and which detectors see them?",
    source: "IAPAR (ISO/IEC 30107-3; NIST SP 800-63B-4 wants less than 15 %): share of attack sessions that are accepted. A victim \
             enrols and is watched for one session, which the attacker records. `replay_of_unseen_session` is a recording that the \
             system never saw, as a keylogger elsewhere would make it. Genuine people with odd clocks enrolled with them: a \
             step-up there is a false one.",
    pictures: &[],
};

/// A comparator or variant in words.
pub(crate) fn name_of(name: &str) -> &str {
    match name {
        "scaled_manhattan" => "scaled Manhattan distance",
        "gaussian" => "Gaussian a person",
        "gmm_ubm" => "GMM-UBM",
        "sgd_logistic" => "SGD classifier a person (second seed)",
        "seed_lstm" => "seed design (LSTM, contrastive loss, three features)",
        "manhattan_scaled_raw" => "check: Manhattan (scaled), raw vectors",
        "mahalanobis_nearest_raw" => "check: nearest neighbour (Mahalanobis), raw vectors",
        "whitening learned from the other people" => "**with the whitening learned from the others**",
        other => other,
    }
}
