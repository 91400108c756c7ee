//! How far a call is, told to the caller who asked for it.
//!
//! Nothing here waits or allocates when nobody asked. A report that the connection can't take at the moment is dropped:
//! progress is news, not data.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

/// Handed to every call in its [`CallContext`](crate::CallContext).
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<Arc<Reporter>>);

#[derive(Debug)]
struct Reporter {
    last: Mutex<f64>,
    steps: mpsc::Sender<Step>,
}

/// One report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) progress: f64,
    pub(crate) total: Option<f64>,
    pub(crate) message: Option<String>,
}

/// Reports that wait for the connection; more are dropped.
const WAITING: usize = 16;

impl Progress {
    /// For a caller who did not ask.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    pub(crate) fn channel() -> (Self, mpsc::Receiver<Step>) {
        let (steps, reports) = mpsc::channel(WAITING);
        (Self(Some(Arc::new(Reporter { last: Mutex::new(f64::NEG_INFINITY), steps }))), reports)
    }

    /// Whether anybody listens; lets a tool skip the work of finding out how far it is.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|reporter| !reporter.steps.is_closed())
    }

    /// `progress` has to grow from report to report; one that does not is left out.
    pub fn report(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let Some(reporter) = &self.0 else { return };
        if !progress.is_finite() {
            return;
        }
        {
            let mut last = reporter.last.lock().unwrap_or_else(PoisonError::into_inner);
            if progress <= *last {
                return;
            }
            *last = progress;
        }
        let total = total.filter(|total| total.is_finite());
        let _ = reporter.steps.try_send(Step { progress, total, message: message.map(str::to_owned) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growing_progress_is_reported() {
        let (progress, mut reports) = Progress::channel();
        for step in [1.0, 3.0, 2.0, 3.0, f64::NAN, 4.0] {
            progress.report(step, Some(4.0), None);
        }
        let mut seen = Vec::new();
        while let Ok(step) = reports.try_recv() {
            seen.push(step.progress);
        }
        assert_eq!(seen, [1.0, 3.0, 4.0]);
    }

    #[test]
    fn reports_to_nobody_are_dropped() {
        Progress::none().report(1.0, None, None);
        let (progress, reports) = Progress::channel();
        assert!(progress.is_wanted());
        drop(reports);
        assert!(!progress.is_wanted());
        progress.report(1.0, None, Some("unheard"));
    }
}
