//! How far a call is, told to the caller who asked for it.
//!
//! Nothing here waits or allocates when nobody asked, so a tool reports from its innermost loop. What reaches the caller
//! grows strictly, comes a few times a second at most, and ends with the call.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use crate::news::{News, Throttle};

/// Handed to every call in its [`CallContext`](crate::CallContext).
#[derive(Debug, Clone, Default)]
pub struct Progress {
    reporter: Option<Arc<Reporter>>,
    last_word: Option<LastWord>,
}

/// What a tool said last of its progress, for callers who come back to ask.
#[derive(Debug, Clone, Default)]
pub struct LastWord(Arc<Mutex<Option<String>>>);

impl LastWord {
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug)]
struct Reporter {
    scale: Mutex<Scale>,
    news: mpsc::Sender<News>,
}

#[derive(Debug)]
struct Scale {
    last: f64,
    /// Where the tool's own numbers begin, once it has reported some.
    own: Option<f64>,
    throttle: Throttle,
}

/// One report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) progress: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: Option<String>,
}

/// Reports that may come at once, and the time between any more.
const BURST: u32 = 10;
const EVERY: Duration = Duration::from_millis(100);
/// What a sign of life adds to numbers that are the tool's own.
const HAIR: f64 = 0.001;

impl Progress {
    /// For a caller who did not ask.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    pub(crate) fn new(news: mpsc::Sender<News>) -> Self {
        let scale = Scale { last: f64::NEG_INFINITY, own: None, throttle: Throttle::new(BURST, EVERY) };
        let reporter = Reporter { scale: Mutex::new(scale), news };
        Self { reporter: Some(Arc::new(reporter)), last_word: None }
    }

    /// The same, and the last message stays readable after the caller has gone.
    #[must_use]
    pub fn remembered(&self) -> (Self, LastWord) {
        let last_word = LastWord::default();
        (Self { last_word: Some(last_word.clone()), ..self.clone() }, last_word)
    }

    /// Whether anybody listens; lets a tool skip the work of finding out how far it is.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.last_word.is_some() || self.reporter.as_ref().is_some_and(|reporter| !reporter.news.is_closed())
    }

    /// `progress` of `total` is done, in whatever the tool counts. A report that does not grow is left out, and so is one
    /// that comes too soon after others, unless it reaches `total`. A tool that will report says `0.0` first.
    pub fn report(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        if let (Some(LastWord(last)), Some(message)) = (&self.last_word, message) {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
        }
        let Some(reporter) = &self.reporter else { return };
        if !progress.is_finite() {
            return;
        }
        let mut scale = reporter.lock();
        let last = if scale.last.is_finite() { scale.last } else { 0.0 };
        let start = *scale.own.get_or_insert(last);
        let progress = start + progress;
        let total = total.filter(|total| total.is_finite()).map(|total| start + total);
        if progress <= scale.last {
            return;
        }
        let arrives = total.is_some_and(|total| scale.last < total && total <= progress);
        if scale.throttle.admits() || arrives {
            reporter.send(&mut scale, progress, total, message);
        }
    }

    /// A sign of life of a call that has nothing to count, or is silent for long. Until the tool counts for itself,
    /// progress is the seconds that the call runs.
    pub fn beat(&self, running: Duration, message: &str) {
        let Some(reporter) = &self.reporter else { return };
        let mut scale = reporter.lock();
        let progress = if scale.own.is_some() { scale.last + HAIR } else { running.as_secs_f64().round() };
        if progress > scale.last {
            reporter.send(&mut scale, progress, None, Some(message));
        }
    }
}

impl Reporter {
    fn lock(&self) -> std::sync::MutexGuard<'_, Scale> {
        self.scale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Under the lock, so that threads that report at once keep the order.
    fn send(&self, scale: &mut Scale, progress: f64, total: Option<f64>, message: Option<&str>) {
        scale.last = progress;
        let _ = self.news.try_send(News::Step(Step { progress, total, message: message.map(str::to_owned) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::news;

    fn seen(mut reports: mpsc::Receiver<News>) -> Vec<(f64, Option<f64>)> {
        std::iter::from_fn(|| reports.try_recv().ok())
            .map(|news| match news {
                News::Step(step) => (step.progress, step.total),
                News::Message(message) => panic!("{message:?}"),
            })
            .collect()
    }

    #[test]
    fn only_growing_progress_is_reported() {
        let (news, reports) = news::channel();
        let progress = Progress::new(news);
        for step in [1.0, 3.0, 2.0, 3.0, f64::NAN, 4.0] {
            progress.report(step, Some(4.0), None);
        }
        assert_eq!(seen(reports), [(1.0, Some(4.0)), (3.0, Some(4.0)), (4.0, Some(4.0))]);
    }

    #[test]
    fn a_loop_that_reports_is_thinned_out_and_still_arrives() {
        let (news, reports) = news::channel();
        let progress = Progress::new(news);
        for step in 0..=10_000 {
            progress.report(f64::from(step), Some(10_000.0), None);
        }
        let seen = seen(reports);
        assert!(seen.len() < 40, "{}", seen.len());
        assert_eq!(seen.last(), Some(&(10_000.0, Some(10_000.0))));
    }

    #[test]
    fn signs_of_life_count_seconds_until_the_tool_counts() {
        let (news, reports) = news::channel();
        let progress = Progress::new(news);
        progress.beat(Duration::from_millis(1_004), "still running");
        progress.beat(Duration::from_millis(2_010), "still running");
        progress.report(0.0, Some(10.0), None);
        progress.report(5.0, Some(10.0), None);
        progress.beat(Duration::from_secs(3), "still running");
        progress.report(6.0, Some(10.0), None);
        let seen: Vec<f64> = seen(reports).into_iter().map(|(progress, _)| progress).collect();
        assert_eq!(seen, [1.0, 2.0, 7.0, 7.001, 8.0]);
    }

    #[test]
    fn the_last_word_outlives_the_caller() {
        let (progress, word) = Progress::none().remembered();
        assert!(progress.is_wanted());
        progress.report(1.0, None, Some("one of two"));
        progress.report(2.0, None, None);
        progress.beat(Duration::from_secs(1), "still running");
        assert_eq!(word.get().as_deref(), Some("one of two"));
    }

    #[test]
    fn reports_to_nobody_are_dropped() {
        Progress::none().report(1.0, None, None);
        let (news, reports) = news::channel();
        let progress = Progress::new(news);
        assert!(progress.is_wanted());
        drop(reports);
        assert!(!progress.is_wanted());
        progress.report(1.0, None, Some("unheard"));
    }
}
