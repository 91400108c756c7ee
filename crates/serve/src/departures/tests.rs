use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use futures_util::{FutureExt, poll};
use proptest::prelude::*;

use super::*;

fn gone(id: u64) -> Event {
    Event::Gone(Whose::Principal { id: id.to_string(), tenant: None }, Duration::ZERO)
}

fn caller(id: u64) -> Arc<Principal> {
    Principal::trusted(id.to_string())
}

fn id_of(event: &Event) -> u64 {
    match event {
        Event::Gone(Whose::Principal { id, .. }, _) => id.parse().expect("a number"),
        _ => panic!("of a principal"),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Happen,
    Open,
    Look(usize),
    LookOnce(usize),
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Happen),
        2 => Just(Step::Open),
        2 => any::<usize>().prop_map(Step::Look),
        3 => any::<usize>().prop_map(Step::LookOnce),
        1 => any::<usize>().prop_map(Step::Leave),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    /// In whatever order things happen, open and are looked at: each sees all that happened since it opened, once, in order,
    /// and what nobody can ask for any more is not kept.
    #[test]
    fn nothing_is_missed_and_nothing_is_kept_for_nobody(steps in steps()) {
        let chain: Arc<Chain> = Arc::default();
        let mut happened = 0;
        let mut links: Vec<(u64, Weak<Link>)> = Vec::new();
        let mut open: Vec<(Since, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Happen => {
                    happened += 1;
                    let since = chain.append(gone(happened));
                    chain.wake();
                    links.push((happened, Arc::downgrade(&since.link)));
                }
                Step::Open => open.push((chain.now(), happened)),
                Step::Look(which) if !open.is_empty() => {
                    let which = which % open.len();
                    let (since, seen) = &mut open[which];
                    while let Some(event) = since.next_now() {
                        *seen += 1;
                        prop_assert_eq!(id_of(event), *seen);
                    }
                    prop_assert_eq!(*seen, happened);
                }
                Step::LookOnce(which) if !open.is_empty() => {
                    let which = which % open.len();
                    let (since, seen) = &mut open[which];
                    match since.next().now_or_never() {
                        Some(event) => prop_assert_eq!(id_of(event), *seen + 1),
                        None => prop_assert_eq!(*seen, happened),
                    }
                    *seen = happened.min(*seen + 1);
                }
                Step::Leave(which) if !open.is_empty() => drop(open.swap_remove(which % open.len())),
                _ => {}
            }
            let oldest = open.iter().map(|(_, seen)| *seen).min().unwrap_or(happened).min(happened);
            for (number, link) in &links {
                prop_assert_eq!(link.strong_count() > 0, *number >= oldest.max(1), "{} of {}", number, oldest);
            }
        }
    }
}

/// A broadcast of 1,024 would have lost the one that counts.
#[tokio::test]
async fn a_caller_who_slept_through_thousands_of_departures_hears_of_its_own() {
    let chain: Arc<Chain> = Arc::default();
    let since = chain.now();
    let ann = caller(0);
    let mut call = std::pin::pin!(since.unless_gone(&ann, std::future::pending::<Result<(), Error>>()));
    assert!(poll!(call.as_mut()).is_pending());
    chain.append(gone(0));
    for other in 1..=100_000 {
        chain.append(gone(other));
    }
    chain.wake();
    assert!(matches!(call.await, Err(Error::AccessDenied)));
}

/// Links go one after the other, not into each other.
#[test]
fn a_chain_may_be_as_long_as_it_wants() {
    let chain: Arc<Chain> = Arc::default();
    let since = chain.now();
    for other in 0..1_000_000 {
        chain.append(gone(other));
    }
    drop(since);
}

/// Callers open, wait and are sent away on all threads at once; each is woken by its own departure. One that is missed waits
/// for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_sent_away_while_they_open_on_another_thread_is_woken() {
    let chain: Arc<Chain> = Arc::default();
    let ended = Arc::new(AtomicUsize::new(0));
    let mut all = tokio::task::JoinSet::new();
    for id in 0..2_000 {
        // Known before anybody can be sent away, as the front is before a caller is known.
        let since = chain.now();
        let (ended, sending) = (ended.clone(), chain.clone());
        all.spawn(async move {
            let ann = caller(id);
            let outcome = since.unless_gone(&ann, std::future::pending::<Result<(), Error>>()).await;
            assert!(matches!(outcome, Err(Error::AccessDenied)));
            ended.fetch_add(1, Ordering::Relaxed);
        });
        all.spawn(async move {
            sending.append(gone(id));
            sending.wake();
        });
    }
    tokio::time::timeout(Duration::from_secs(60), all.join_all()).await.expect("all were woken");
    assert_eq!(ended.load(Ordering::Relaxed), 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_its_grace_and_one_that_ends_within_it_is_answered() {
    let chain: Arc<Chain> = Arc::default();
    let (since, ann) = (chain.now(), caller(1));
    let whose = Whose::principal(&ann);
    let slow = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        Ok(())
    };
    let slower = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Ok(())
    };
    let both = async { tokio::join!(since.unless_gone(&ann, slow), since.unless_gone(&ann, slower)) };
    let departing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        chain.append(Event::Gone(whose, Duration::from_secs(10)));
        chain.wake();
    };
    let began = tokio::time::Instant::now();
    let ((slow, slower), ()) = tokio::join!(both, departing);
    assert!(slow.is_ok());
    assert!(matches!(slower, Err(Error::AccessDenied)));
    assert_eq!(began.elapsed().as_secs(), 11);
}

/// What happened before a call is not about it, even if it looks late.
#[tokio::test]
async fn who_comes_back_later_is_not_sent_away_again() {
    let chain: Arc<Chain> = Arc::default();
    chain.append(gone(1));
    let (since, ann) = (chain.now(), caller(1));
    let mut call = std::pin::pin!(since.unless_gone(&ann, std::future::pending::<Result<(), Error>>()));
    assert!(poll!(call.as_mut()).is_pending());
    chain.append(gone(2));
    chain.wake();
    assert!(poll!(call.as_mut()).is_pending());
    assert!(since.clone().departed(&ann).is_none());
}

/// No count is touched and nobody is waited for while a call does not wait itself.
#[tokio::test]
async fn a_call_that_is_done_at_once_does_not_look() {
    let chain: Arc<Chain> = Arc::default();
    let (since, ann) = (chain.now(), caller(1));
    chain.append(gone(1));
    let (links, chains) = (Arc::strong_count(&since.link), Arc::strong_count(&chain));
    let call = async {
        assert_eq!((Arc::strong_count(&since.link), Arc::strong_count(&chain)), (links, chains));
        Ok(())
    };
    let outcome = std::pin::pin!(since.unless_gone(&ann, call));
    assert!(matches!(poll!(outcome), Poll::Ready(Ok(()))));
}
