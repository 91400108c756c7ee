use proptest::prelude::*;
use serde_json::json;

use super::{
    super::{Answer, Elicitation},
    *,
};

fn rounds() -> Arc<Rounds> {
    Arc::new(Rounds::new(&StateKey::new(b"a secret")))
}

fn subject(principal: &str, name: &str, arguments: &str) -> OwnedSubject {
    OwnedSubject {
        server: "server".to_owned(),
        method: "tools/call",
        name: name.to_owned(),
        principal: Principal::trusted(principal),
        arguments: arguments.into(),
    }
}

fn ours() -> OwnedSubject {
    subject("alice", "remove", r#"{"id":7,"of":{"a":1,"b":[null,true]}}"#)
}

fn question() -> Elicitation {
    Elicitation::question("Remove 7?")
}

/// What a first round ends with.
fn asked(rounds: &Arc<Rounds>, subject: OwnedSubject, question: &Elicitation) -> String {
    let round = begun(rounds, subject, None, &InputResponses::new()).expect("nothing to refuse");
    state(ask(&round, "confirm", question)).expect("a question")
}

fn begun(
    rounds: &Arc<Rounds>,
    subject: OwnedSubject,
    state: Option<&str>,
    responses: &InputResponses,
) -> Result<Round, Error> {
    Round::new(rounds.clone(), subject, CallId(7), state, responses)
}

fn ask(round: &Round, name: &str, question: &Elicitation) -> Result<Answer, Error> {
    match round.ask(&[(name, Ask::Person(question.clone()))])?.pop() {
        Some(Reply::Person(answer)) => Ok(answer),
        other => panic!("{other:?} is no answer"),
    }
}

fn state(asked: Result<Answer, Error>) -> Option<String> {
    match asked {
        Err(Error::InputRequired(asked)) => asked.request_state,
        _ => None,
    }
}

fn accepting(
    rounds: &Arc<Rounds>,
    subject: OwnedSubject,
    state: &str,
    question: &Elicitation,
) -> Result<Answer, Error> {
    let responses = InputResponses::from([("confirm".to_owned(), json!({ "action": "accept", "content": {} }))]);
    ask(&begun(rounds, subject, Some(state), &responses)?, "confirm", question)
}

fn is_yes(answer: &Result<Answer, Error>) -> bool {
    matches!(answer, Ok(Answer::Accepted(_)))
}

#[test]
fn an_answer_counts_once() {
    let rounds = rounds();
    let state_of_first = asked(&rounds, ours(), &question());
    assert!(is_yes(&accepting(&rounds, ours(), &state_of_first, &question())));
    let again = accepting(&rounds, ours(), &state_of_first, &question());
    assert!(state(again).is_some_and(|state| state != state_of_first), "the person is asked again");
}

#[test]
fn a_state_is_good_for_the_same_call_however_its_arguments_are_written() {
    let rounds = rounds();
    let sealed = asked(&rounds, ours(), &question());
    let same = subject("alice", "remove", r#" { "of": {"b":[null, true], "a":1}, "id":7 } "#);
    assert!(is_yes(&accepting(&rounds, same, &sealed, &question())));
}

#[test]
fn a_state_is_good_for_no_other_call() {
    let rounds = rounds();
    let arguments = &*ours().arguments;
    let mut tenant = Principal::clone(&Principal::trusted("alice"));
    tenant.tenant = Some(String::new());
    let others = [
        subject("bob", "remove", arguments),
        subject("alice", "remove2", arguments),
        subject("alice", "remove", r#"{"id":8,"of":{"a":1,"b":[null,true]}}"#),
        subject("alice", "remove", r#"{"id":7,"of":{"a":1,"b":[true,null]}}"#),
        subject("alice", "remove", r#"{"id":"7","of":{"a":1,"b":[null,true]}}"#),
        subject("alice", "remove", "{}"),
        OwnedSubject { server: "other".to_owned(), ..ours() },
        OwnedSubject { method: "prompts/get", ..ours() },
        OwnedSubject { principal: Arc::new(tenant), ..ours() },
    ];
    for other in others {
        let sealed = asked(&rounds, ours(), &question());
        let refused = accepting(&rounds, other, &sealed, &question());
        assert!(matches!(refused, Err(Error::InvalidParams { .. })), "{refused:?}");
        // Showing it to another call does not spend it.
        assert!(is_yes(&accepting(&rounds, ours(), &sealed, &question())));
    }
}

#[test]
fn another_key_makes_other_states() {
    let sealed = asked(&rounds(), ours(), &question());
    let other = Arc::new(Rounds::new(&StateKey::new(b"another secret")));
    assert!(matches!(accepting(&other, ours(), &sealed, &question()), Err(Error::InvalidParams { .. })));
}

#[test]
fn an_old_state_and_one_of_a_process_before_are_as_good_as_none() {
    let rounds = rounds();
    let sealed = |made, life| {
        let state = State {
            id: "id".to_owned(),
            call: "7".to_owned(),
            made,
            asked: BTreeMap::from([("confirm".to_owned(), hash(&Ask::Person(question())))]),
            answered: BTreeMap::new(),
        };
        rounds.seal(&ours().digest(), &state, life)
    };
    let expired = sealed(now(), Duration::ZERO);
    let sealed_at = now();
    while now() <= sealed_at {
        std::hint::spin_loop();
    }
    let before = sealed(rounds.began - 1, LIFE);
    for state_of_then in [expired, before] {
        assert!(state(accepting(&rounds, ours(), &state_of_then, &question())).is_some(), "asked again");
    }
    assert!(is_yes(&accepting(&rounds, ours(), &sealed(now(), LIFE), &question())));
}

#[test]
fn an_answer_to_another_question_is_none() {
    let rounds = rounds();
    for other in [Elicitation::question("Look at 7?"), question().about("another tool of that name")] {
        let sealed = asked(&rounds, ours(), &other);
        assert!(state(accepting(&rounds, ours(), &sealed, &question())).is_some());
    }
}

#[test]
fn what_was_not_asked_is_not_answered() {
    let rounds = rounds();
    let responses = InputResponses::from([("confirm".to_owned(), json!({ "action": "accept" }))]);
    // No state, so nothing was asked.
    let round = begun(&rounds, ours(), None, &responses).unwrap();
    assert!(state(ask(&round, "confirm", &question())).is_some());
    // Another question was.
    let round = begun(&rounds, ours(), None, &InputResponses::new()).unwrap();
    let sealed = state(ask(&round, "name", &question())).unwrap();
    let round = begun(&rounds, ours(), Some(&sealed), &responses).unwrap();
    assert!(state(ask(&round, "confirm", &question())).is_some());
}

#[test]
fn what_is_no_answer_is_asked_again() {
    let rounds = rounds();
    for said in [json!(7), json!(null), json!({}), json!({ "action": "yes" }), json!([{ "action": "accept" }])] {
        let sealed = asked(&rounds, ours(), &question());
        let responses = InputResponses::from([("confirm".to_owned(), said.clone())]);
        let round = begun(&rounds, ours(), Some(&sealed), &responses).unwrap();
        assert!(state(ask(&round, "confirm", &question())).is_some(), "{said}");
    }
}

#[test]
fn two_questions_of_one_call_are_asked_one_after_the_other() {
    let rounds = rounds();
    let accept = |key: &str| InputResponses::from([(key.to_owned(), json!({ "action": "accept" }))]);
    let first = asked(&rounds, ours(), &question());
    let round = begun(&rounds, ours(), Some(&first), &accept("confirm")).unwrap();
    assert!(is_yes(&ask(&round, "confirm", &question())));
    let second = state(ask(&round, "confirm", &question())).expect("the same question a second time is another one");
    let round = Round::new(rounds, ours(), CallId(8), Some(&second), &accept("confirm-2")).unwrap();
    assert_eq!(round.call(), CallId(7), "it is still the same call");
    assert!(is_yes(&ask(&round, "confirm", &question())), "the first answer came along");
    assert!(is_yes(&ask(&round, "confirm", &question())));
}

#[test]
fn a_state_of_any_size_is_refused_before_it_is_read() {
    let huge = format!("rs1.{}.{}", "A".repeat(LONGEST), "A".repeat(43));
    assert!(matches!(accepting(&rounds(), ours(), &huge, &question()), Err(Error::InvalidParams { .. })));
}

proptest! {
    #[test]
    fn no_changed_state_is_a_yes(at: prop::sample::Index, bit in 0..8_u8) {
        let rounds = rounds();
        let sealed = asked(&rounds, ours(), &question());
        let mut bytes = sealed.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert_ne!(&changed, &sealed);
        let answer = accepting(&rounds, ours(), &changed, &question());
        prop_assert!(!is_yes(&answer), "{:?}", answer);
        prop_assert!(is_yes(&accepting(&rounds, ours(), &sealed, &question())));
    }

    #[test]
    fn no_made_up_state_is_a_yes(sealed in "(rs[12]\\.)?[A-Za-z0-9_.-]{0,200}|.{0,80}") {
        prop_assert!(!is_yes(&accepting(&rounds(), ours(), &sealed, &question())));
        let OwnedSubject { server, method, name, principal, arguments } = &ours();
        let subject = Subject { server, method, name, principal, arguments };
        prop_assert!(!StateKey::new(b"a secret").made(&sealed, &subject));
    }

    #[test]
    fn other_arguments_have_other_digests(a in "[ab\\[\\]{}\":,1]{0,6}", b in "[ab\\[\\]{}\":,1]{0,6}") {
        // Texts that could run into each other, as names and as values.
        let digest = |first: &str, second: &str| {
            let arguments = json!({ first: second }).to_string();
            subject("p", "t", &arguments).digest()
        };
        prop_assert_eq!(digest(&a, &b) == digest(&b, &a), a == b);
    }
}

/// What is remembered is bounded, and nobody has all of it.
#[test]
fn who_answers_all_the_time_keeps_nobody_else_from_it() {
    let rounds = rounds();
    let alice = Caller::new((None, "alice".to_owned()));
    for used in 0..MOST_USED_BY_ONE {
        rounds.used().add(used.to_string(), alice.clone());
    }
    let next = |user: &str| {
        let of = || subject(user, "remove", "{}");
        let state = asked(&rounds, of(), &question());
        begun(&rounds, of(), Some(&state), &InputResponses::new()).map(drop)
    };
    assert!(matches!(next("alice"), Err(Error::Busy)));
    next("bob").expect("another caller");
    rounds.used().forget(u64::MAX);
    assert!(rounds.used().of.is_empty() && rounds.used().ids.is_empty());
    next("alice").expect("there is room again");
}
