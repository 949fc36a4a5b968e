//! Identification: who of the people that a tenant has enrolled a sample is of.
//!
//! The windows of an instrument are judged together, as one vector, against the mean of every mature reference set of that
//! instrument and the live network: all of them, without an index that could miss somebody. The log-likelihood ratio of a
//! candidate is that of [`ReferenceSet::compare_together`](ductus_dynamics::compare::ReferenceSet::compare_together), to the
//! bit, added up over the instruments for which there are references (typing and pointing are taken for independent; who has
//! no references of an instrument is judged by the others).
//!
//! # Posterior
//!
//! That it is candidate *i* of the *N* who were compared, each as likely as the other before, and somebody of them with
//! probability *π* ([`ProbePolicy::known_prior`](super::ProbePolicy::known_prior)):
//!
//! ```text
//! P(i | sample) = e^llr_i / (Σ_j e^llr_j + N (1 − π) / π)
//! ```
//! This is Bayes' rule with the hypothesis "none of them" beside the *N*: every ratio has the same denominator, the density of
//! the sample under somebody else, which cancels (Brümmer and van Leeuwen, "On calibration of language recognition scores",
//! Odyssey 2006, for closed and open sets). It is as good as the ratios are calibrated: they were fitted on single windows, while
//! here many are judged together, which tells people apart better than the calibration knows. So it is careful rather than bold
//! for the right candidate.
//!
//! # How well, how fast
//!
//! Of 129 people of Aalto whom the model had not seen, ten sentences enrolled (`examples/people`): five sentences a question give
//! rank 1 for 92 %, rank 5 for all, and an equal error rate of the ratios of 1.6 %; two sentences 87 %, all, 1.5 %, where a
//! fifth of the questions was too short. The first candidate's posterior was .40 and .33 on average. Of 24 people of SapiMouse
//! 96 %, all, 4.0 %. Among 100,000 sets a question of 200 keys takes 9 to 12 ms of CPU, a fifth of it in the network
//! (`cargo xtask bench probe`).
//!
//! Invariants: the ranking is by ratio, then by name, and the same for the same pool, whatever thread asks; nobody outside the
//! tenant, and outside the list where one is given, is compared.

use super::gallery::Rows;
use super::pool::{Names, Unprepared};
use super::sample::Owner;
use super::verify::MissingSteps;
use super::{Compared, Embeddings, InUse, Instrument, ProbeError, Prober, ReferencePool};
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::{Accounting, Line, Ready};
use ductus_dynamics::liveness::{Finding, Watch};
use ductus_dynamics::wire::Reason;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stands in the ephemeral line, which concludes nothing here.
const NO_TOPIC: &str = "";

/// Beyond, an exponential is infinite.
const EXPONENT_MAX: f64 = 700.0;

/// Whom a sample may be of.
#[derive(Clone, Copy, Debug)]
pub struct Crowd<'a> {
    /// Everybody of this tenant; a batch that names another one is refused. What subject a batch claims is not looked at.
    pub tenant: &'a str,
    /// Of those only these, where a list is given. Who is not enrolled is left out.
    pub among: Option<&'a [&'a str]>,
    /// Candidates asked for; at most [`ProbePolicy::candidates_max`](super::ProbePolicy::candidates_max) are given.
    pub candidates: usize,
}

/// Who it may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub subject: String,
    /// Log-likelihood ratio (natural): this person against somebody else. Higher is more alike.
    pub llr: f32,
    /// Probability that it is this person and nobody else, 0-1; see the module.
    pub posterior: f64,
}

/// The answer to an identification.
#[derive(Clone, Debug, PartialEq)]
pub struct Identification {
    /// Most likely first. Empty where too little was there, or nobody to compare with.
    pub candidates: Vec<Candidate>,
    /// Probability that it is none of those who were compared, 0-1; 1 where nobody was.
    pub nobody: f64,
    /// Subjects who were compared.
    pub subjects: usize,
    /// What was compared; an instrument without references has none.
    pub compared: Vec<Compared>,
    /// Steps that are missing, where too little was there; of one of these modalities is enough.
    pub needed: Vec<MissingSteps>,
    /// What speaks against a person having made the sample. It moves no candidate.
    pub findings: Vec<Reason>,
    /// What became of the events.
    pub accounting: Accounting,
}

impl Prober {
    /// Compares the batches of one session, in the order of their numbers, with everybody of a crowd. Audit who asked, and why.
    ///
    /// # Errors
    ///
    /// [`ProbeError`]; too little data is an answer and no error.
    pub fn identify(
        &self,
        pool: &ReferencePool,
        crowd: Crowd<'_>,
        batches: &[&[u8]],
    ) -> Result<Identification, ProbeError> {
        let among = crowd.among.map_or(0, <[_]>::len);
        if among > self.policy.among_max {
            return Err(ProbeError::TooMany {
                what: "subjects",
                found: among,
                most: self.policy.among_max,
            });
        }
        let mut line = Line::new(Arc::clone(&self.config), NO_TOPIC, 0);
        let owner = Owner {
            tenant: crowd.tenant,
            subject: None,
        };
        let ready = self.cut(&mut line, batches, owner)?;
        let models = self.models();
        let enough = |ready: &Ready| ready.window.steps.len() >= self.config.window(ready.window.modality).min_steps;
        let embeddings = self.embed(&ready, &models, enough)?;
        let samples = samples(&ready, &embeddings, &models);
        let mut identification = Identification {
            candidates: Vec::new(),
            nobody: 1.0,
            subjects: 0,
            compared: Vec::new(),
            needed: self.missing(&ready, &embeddings),
            findings: self.findings(&ready),
            accounting: line.accounting().clone(),
        };
        if identification.needed.is_empty() {
            self.rank(pool, crowd, &samples, &mut identification)?;
        }
        Ok(identification)
    }

    /// Steps that are missing until as much is there as the stream steps up on.
    fn missing(&self, ready: &[Ready], embeddings: &Embeddings) -> Vec<MissingSteps> {
        let mut windows = 0.0;
        for (at, ready) in ready.iter().enumerate() {
            let modality = ready.window.modality;
            if embeddings.of(at, modality).is_some() {
                windows += (ready.window.fresh as f32 / self.config.window(modality).steps.max(1) as f32).min(1.0);
            }
        }
        let missing = self.config.decision.windows_min - windows;
        if missing <= 0.0 {
            return Vec::new();
        }
        let steps = |modality| (missing * self.config.window(modality).steps as f32).ceil() as usize;
        Modality::ALL
            .map(|modality| MissingSteps {
                modality,
                steps: steps(modality),
            })
            .into()
    }

    /// What the detectors find that look at the sample alone, each once, as it stood at the end.
    fn findings(&self, ready: &[Ready]) -> Vec<Reason> {
        let mut watch = Watch::default();
        let mut latest: Vec<Finding> = Vec::new();
        for ready in ready {
            for finding in watch.look(&ready.window, &self.config.liveness) {
                latest.retain(|other| other.detector != finding.detector);
                latest.push(finding);
            }
        }
        latest.sort_by_key(|finding| finding.detector);
        latest.iter().map(Finding::reason).collect()
    }

    fn rank(
        &self,
        pool: &ReferencePool,
        crowd: Crowd<'_>,
        samples: &[Sample<'_>],
        out: &mut Identification,
    ) -> Result<(), ProbeError> {
        let wanted: Vec<_> = samples
            .iter()
            .map(|sample| {
                let Instrument { modality, device } = &sample.instrument;
                (*modality, device.as_str(), sample.used.name.sha256.as_str())
            })
            .collect();
        let spaces: Vec<_> = samples
            .iter()
            .map(|sample| &sample.used.model.back_end().space)
            .collect();
        let snapshot = pool
            .snapshot(crowd.tenant, &wanted, &spaces, crowd.among)
            .map_err(|Unprepared| ProbeError::NotReady)?;
        let mut totals = Totals::new(snapshot.names);
        let among = snapshot.among.as_deref();
        for (sample, rows) in samples.iter().zip(&snapshot.galleries) {
            let references = rows.as_ref().map_or(0, |rows| totals.add(sample, rows, among));
            out.compared.push(Compared {
                instrument: sample.instrument.clone(),
                model: sample.used.name.clone(),
                windows: sample.embeddings.len(),
                steps: sample.steps,
                references,
            });
        }
        let most = crowd.candidates.min(self.policy.candidates_max);
        totals.rank(most, self.policy.known_prior, out);
        Ok(())
    }
}

/// The windows of one instrument.
struct Sample<'a> {
    instrument: Instrument,
    used: &'a InUse,
    embeddings: Vec<&'a [f32]>,
    steps: usize,
}

/// Windows that were embedded, by instrument.
fn samples<'a>(
    ready: &[Ready],
    embeddings: &'a Embeddings,
    models: &'a [Option<InUse>; Modality::ALL.len()],
) -> Vec<Sample<'a>> {
    let mut samples: BTreeMap<Instrument, Sample<'a>> = BTreeMap::new();
    for (at, ready) in ready.iter().enumerate() {
        let modality = ready.window.modality;
        let embedded = embeddings.of(at, modality).zip(models[modality.index()].as_ref());
        let Some((embedding, used)) = embedded else {
            continue;
        };
        let instrument = Instrument::of(ready);
        let sample = samples.entry(instrument.clone()).or_insert_with(|| Sample {
            instrument,
            used,
            embeddings: Vec::new(),
            steps: 0,
        });
        sample.embeddings.push(embedding);
        sample.steps += ready.window.fresh;
    }
    samples.into_values().collect()
}

/// Ratios of subjects, by number.
struct Totals {
    names: Arc<Names>,
    /// Not a number for who was not compared.
    llrs: Vec<f32>,
}

impl Totals {
    fn new(names: Arc<Names>) -> Self {
        let llrs = vec![f32::NAN; names.len()];
        Self { names, llrs }
    }

    /// Adds what one instrument says; returns how many sets it was compared with.
    fn add(&mut self, sample: &Sample<'_>, rows: &Rows, among: Option<&[u32]>) -> usize {
        let back_end = sample.used.model.back_end();
        let probe = back_end.space.together(sample.embeddings.iter().copied());
        let (llrs, mut compared) = (&mut self.llrs, 0);
        let add = |number: u32, cosine: f32| {
            let (llr, total) = (back_end.calibration.llr(cosine), &mut llrs[number as usize]);
            *total = if total.is_nan() { llr } else { *total + llr };
            compared += 1;
        };
        match among {
            None => rows.search(&probe, |_| true, add),
            Some(among) => {
                let mut wanted = vec![false; self.names.len()];
                among.iter().for_each(|&number| wanted[number as usize] = true);
                rows.search(&probe, |number| wanted[number as usize], add);
            }
        }
        compared
    }

    fn rank(self, most: usize, known_prior: f64, out: &mut Identification) {
        let mut all: Vec<(f32, u32)> = (0..)
            .zip(&self.llrs)
            .filter(|(_, llr)| !llr.is_nan())
            .map(|(number, llr)| (*llr, number))
            .collect();
        out.subjects = all.len();
        let Some(highest) = all.iter().map(|(llr, _)| f64::from(*llr)).max_by(f64::total_cmp) else {
            return;
        };
        // Off the highest, so that nothing overflows.
        let weight = |llr: f32| (f64::from(llr) - highest).exp();
        let known = known_prior.clamp(f64::MIN_POSITIVE, 1.0);
        let nobody = all.len() as f64 * (1.0 - known) / known * (-highest).min(EXPONENT_MAX).exp();
        let sum = all.iter().map(|(llr, _)| weight(*llr)).sum::<f64>() + nobody;
        let name = |number: u32| self.names[number as usize].as_deref().unwrap_or_default();
        let order =
            |a: &(f32, u32), b: &(f32, u32)| -> Ordering { b.0.total_cmp(&a.0).then_with(|| name(a.1).cmp(name(b.1))) };
        if most < all.len() {
            all.select_nth_unstable_by(most, order);
            all.truncate(most);
        }
        all.sort_unstable_by(order);
        out.nobody = nobody / sum;
        out.candidates = all
            .into_iter()
            .map(|(llr, number)| Candidate {
                subject: name(number).to_owned(),
                llr,
                posterior: weight(llr) / sum,
            })
            .collect();
    }
}
