use std::time::Duration;

use super::*;

fn ring(bytes: usize, lines: usize) -> LogRing {
    LogRing::new(LogBounds { bytes, lines })
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|line| match &line.said {
            Said::Text { message, .. } => message.to_string(),
            Said::Call { tool, .. } => tool.to_string(),
        })
        .collect()
}

#[test]
fn the_oldest_lines_go_first() {
    let ring = ring(1 << 20, 3);
    for text in ["a", "b", "c", "d"] {
        ring.say(Level::Info, "test", text);
    }
    assert_eq!(texts(&ring.read(Asked::default())), ["b", "c", "d"]);
    assert_eq!(texts(&ring.read(Asked { tail: Some(2), since: None })), ["c", "d"]);
    assert_eq!(texts(&ring.read(Asked { tail: Some(9), since: None })), ["b", "c", "d"]);
    let now = SystemTime::now() + Duration::from_secs(1);
    assert!(ring.read(Asked { tail: None, since: Some(now) }).is_empty());
}

proptest::proptest! {
    #[test]
    fn no_sequence_of_lines_takes_more_than_its_bounds(sizes in proptest::collection::vec(0..10_000_usize, 0..100)) {
        let ring = ring(16 * 1024, 20);
        for size in &sizes {
            ring.say(Level::Info, "test", "x".repeat(*size));
            let kept = ring.lock();
            proptest::prop_assert!(kept.bytes <= 16 * 1024 && kept.lines.len() <= 20);
            proptest::prop_assert_eq!(kept.bytes, kept.lines.iter().map(|line| line.said.bytes()).sum::<usize>());
        }
        proptest::prop_assert_eq!(ring.lock().next, sizes.len() as u64 + 1);
    }
}

#[tokio::test]
async fn a_follower_sees_each_line_once_and_knows_what_it_missed() {
    let ring = ring(1 << 20, 2);
    ring.say(Level::Info, "test", "before");
    let mut follower = ring.follow(Asked::default());
    assert!(ring.is_followed());
    assert_eq!(texts(&follower.next().await.expect("lines").lines), ["before"]);
    let (news, ()) = tokio::join!(follower.next(), async { ring.say(Level::Info, "test", "a") });
    assert_eq!(texts(&news.expect("lines").lines), ["a"]);
    for text in ["b", "c", "d", "e"] {
        ring.say(Level::Info, "test", text);
    }
    let news = follower.next().await.expect("lines");
    assert_eq!((news.missed, texts(&news.lines)), (2, vec!["d".to_owned(), "e".to_owned()]));
    ring.say(Level::Info, "test", "the last");
    ring.close();
    assert_eq!(texts(&follower.next().await.expect("lines").lines), ["the last"]);
    assert!(follower.next().await.is_none());
    drop(follower);
    assert!(!ring.is_followed());
}

#[test]
fn a_line_is_one_line_whatever_is_in_it() {
    let ring = LogRing::default();
    ring.say(Level::Error, "test", "two\nlines \u{1b}[31m");
    let line = &ring.read(Asked::default())[0];
    let shown = line.to_string();
    assert!(!shown.contains(['\n', '\u{1b}']), "{shown}");
    ring.say(Level::Error, "test", "it's a \"word\"");
    let quoted = ring.read(Asked { tail: Some(1), since: None })[0].to_string();
    assert!(quoted.ends_with("test: it's a \"word\""), "quotes hide nothing: {quoted}");
    assert_eq!(line.to_json()["message"], "two\nlines \u{1b}[31m");
    ring.say(Level::Error, "test", "x".repeat(LONGEST * 2));
    assert!(texts(&ring.read(Asked { tail: Some(1), since: None }))[0].len() <= LONGEST + 3);
}
