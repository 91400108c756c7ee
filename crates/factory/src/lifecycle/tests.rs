use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn v(major: u64) -> Version {
    Version::new(major, 0, 0)
}

fn running(major: u64) -> Lifecycle {
    let (mut life, actions) = Lifecycle::deploy(v(major));
    assert_eq!(actions, [Action::Start { version: v(major), generation: 1 }]);
    assert!(life.event(1, Event::Healthy).is_empty());
    assert_eq!(life.state(), State::Running);
    life
}

fn done(life: &mut Lifecycle, command: Command) -> Vec<Action> {
    match life.command(command) {
        Ok(Reply::Done(actions)) => actions,
        other => panic!("{other:?}"),
    }
}

#[test]
fn repeating_a_verb_is_harmless_and_says_so() {
    let mut life = running(1);
    let before = life.clone();
    for command in [Command::Start, Command::Deploy(v(1))] {
        assert!(matches!(life.command(command), Ok(Reply::AlreadySo(_))));
        assert_eq!(life, before);
    }
    assert_eq!(done(&mut life, Command::Stop), [Action::Stop { generation: 1 }]);
    assert_eq!(life.command(Command::Stop), Ok(Reply::AlreadySo("it is stopping")));
    life.event(1, Event::Stopped);
    assert_eq!(life.command(Command::Stop), Ok(Reply::AlreadySo("it is stopped")));
    assert_eq!((life.state(), life.desired()), (State::Stopped, Desired::Stopped));
}

#[test]
fn a_new_version_takes_over_after_it_is_healthy() {
    let mut life = running(1);
    assert_eq!(done(&mut life, Command::Deploy(v(2))), [Action::Start { version: v(2), generation: 2 }]);
    assert_eq!(life.serving(), Some((&v(1), 1)));
    assert_eq!(life.event(2, Event::Healthy), [Action::Stop { generation: 1 }]);
    assert_eq!(life.serving(), Some((&v(2), 2)));
    assert!(life.event(1, Event::Stopped).is_empty());
}

/// S5-35.
#[test]
fn a_new_version_that_fails_leaves_the_old_one_serving() {
    let mut life = running(1);
    done(&mut life, Command::Deploy(v(2)));
    assert_eq!(life.command(Command::Deploy(v(3))), Err(Refusal::Busy));
    assert!(life.event(2, Event::Failed).is_empty());
    assert_eq!(life.serving(), Some((&v(1), 1)));
    // Its number is not given to another one.
    assert_eq!(done(&mut life, Command::Deploy(v(3))), [Action::Start { version: v(3), generation: 3 }]);
}

#[test]
fn the_old_version_may_crash_while_the_new_one_starts() {
    let mut life = running(1);
    done(&mut life, Command::Deploy(v(2)));
    assert!(life.event(1, Event::Exited).is_empty());
    assert_eq!((life.state(), life.serving()), (State::Starting, None));
    assert_eq!(life.event(2, Event::Failed), [Action::Start { version: v(1), generation: 3 }]);
}

#[test]
fn what_crashes_is_started_again_later_and_later_and_then_left_alone() {
    let mut life = running(1);
    let mut waits = Vec::new();
    while let [Action::Wait { generation, time }] = life.event(life.generation(), Event::Exited)[..] {
        waits.push(time);
        let [Action::Start { .. }] = life.event(generation, Event::Waited)[..] else { panic!("{life:?}") };
        life.event(life.generation(), Event::Healthy);
    }
    assert_eq!(life.state(), State::Failed);
    assert_eq!(waits.len() as u32, MOST_FAILURES - 1);
    assert!(waits.is_sorted() && waits[0] == FIRST_WAIT && waits[8] == LONGEST_WAIT);
    assert!(life.recover().is_empty(), "a restart of the factory does not mend it");
    let [Action::Start { .. }] = done(&mut life, Command::Start)[..] else { panic!("{life:?}") };
    assert_eq!(life.failures(), 0);
}

#[test]
fn a_deployment_that_ran_for_long_begins_to_count_anew() {
    let mut life = running(1);
    life.event(1, Event::Exited);
    life.event(1, Event::Waited);
    life.event(2, Event::Healthy);
    assert_eq!(life.failures(), 1);
    life.event(2, Event::Settled);
    assert_eq!(life.failures(), 0);
}

#[test]
fn what_is_wanted_again_while_it_stops_is_started_when_it_has_stopped() {
    let mut life = running(1);
    done(&mut life, Command::Stop);
    assert!(done(&mut life, Command::Deploy(v(2))).is_empty());
    assert_eq!(life.event(1, Event::Stopped), [Action::Start { version: v(2), generation: 2 }]);
}

#[test]
fn stopping_during_an_update_ends_both_one_after_the_other() {
    let mut life = running(1);
    done(&mut life, Command::Deploy(v(2)));
    assert_eq!(done(&mut life, Command::Stop), [Action::Stop { generation: 2 }]);
    assert_eq!(life.event(2, Event::Stopped), [Action::Stop { generation: 1 }]);
    assert_eq!(life.state(), State::Stopping);
    assert!(life.event(1, Event::Stopped).is_empty());
    assert_eq!(life.state(), State::Stopped);
}

#[test]
fn after_a_restart_of_the_factory_what_was_half_done_is_finished_or_undone() {
    let mut life = running(1);
    done(&mut life, Command::Deploy(v(2)));
    assert_eq!(life.recover(), [Action::Start { version: v(2), generation: 3 }]);
    assert_eq!(life.event(3, Event::Failed), [Action::Start { version: v(1), generation: 4 }]);
    done(&mut life, Command::Stop);
    assert!(life.recover().is_empty());
    assert_eq!(life.state(), State::Stopped);
}

/// What runs, as a driver would see it that does what it is told.
#[derive(Debug, Default)]
struct World {
    starting: BTreeSet<u64>,
    healthy: BTreeSet<u64>,
    ending: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
}

impl World {
    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start { generation, .. } => assert!(self.starting.insert(generation), "started twice"),
                Action::Stop { generation } => {
                    let was = self.starting.remove(&generation) | self.healthy.remove(&generation);
                    assert!(was, "only what runs is stopped");
                    self.ending.insert(generation);
                }
                Action::Wait { generation, .. } => drop(self.waiting.insert(generation)),
            }
        }
    }

    fn happens(&mut self, life: &mut Lifecycle, generation: u64, event: Event) {
        match event {
            Event::Healthy if self.starting.remove(&generation) => drop(self.healthy.insert(generation)),
            Event::Failed if self.starting.remove(&generation) => {}
            Event::Exited if self.healthy.remove(&generation) | self.ending.remove(&generation) => {}
            Event::Stopped if self.ending.remove(&generation) => {}
            Event::Waited if self.waiting.remove(&generation) => {}
            Event::Settled if self.healthy.contains(&generation) => {}
            // It can't happen now.
            _ => return,
        }
        let actions = life.event(generation, event);
        self.act(actions);
    }

    fn check(&self, life: &Lifecycle) {
        assert!(life.is_legal(), "{life:?}");
        if let Some((_, generation)) = life.serving() {
            assert!(self.healthy.contains(&generation), "what serves runs: {life:?} {self:?}");
        }
        assert!(self.healthy.len() + self.starting.len() <= 2, "{life:?} {self:?}");
        if matches!(life.state(), State::Stopped | State::Failed | State::BackingOff) {
            assert!(self.healthy.is_empty() && self.starting.is_empty(), "{life:?} {self:?}");
        }
    }

    /// Everything that is on its way happens, and goes well.
    fn settle(&mut self, life: &mut Lifecycle) {
        for _ in 0..20 {
            let next =
                [(&self.ending, Event::Stopped), (&self.starting, Event::Healthy), (&self.waiting, Event::Waited)]
                    .into_iter()
                    .find_map(|(set, event)| Some((*set.first()?, event)));
            let Some((generation, event)) = next else { return };
            self.happens(life, generation, event);
            self.check(life);
        }
        panic!("it does not come to an end: {life:?} {self:?}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Command(Command),
    Event(u64, Event),
    /// The factory was killed, with everything in it.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let command = prop_oneof![
        (1..4_u64).prop_map(|major| Command::Deploy(v(major))),
        Just(Command::Start),
        Just(Command::Stop),
        Just(Command::Restart),
        Just(Command::Renew),
    ];
    let event = prop_oneof![
        4 => Just(Event::Healthy),
        2 => Just(Event::Failed),
        2 => Just(Event::Exited),
        3 => Just(Event::Stopped),
        3 => Just(Event::Waited),
        1 => Just(Event::Settled),
    ];
    // Of one of the last few instances.
    prop_oneof![
        4 => command.prop_map(Step::Command),
        8 => (0..3_u64, event).prop_map(|(ago, event)| Step::Event(ago, event)),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_sequence_of_commands_and_events_leads_to_an_illegal_state_and_all_come_to_rest(
        steps in proptest::collection::vec(step(), 0..40)
    ) {
        let (mut life, actions) = Lifecycle::deploy(v(1));
        let mut world = World::default();
        world.act(actions);
        for step in steps {
            match step {
                Step::Command(command) => {
                    let before = life.clone();
                    match life.command(command.clone()) {
                        Ok(Reply::Done(actions)) => world.act(actions),
                        Ok(Reply::AlreadySo(_)) | Err(Refusal::Busy) => prop_assert_eq!(&life, &before),
                    }
                    // A second time it changes nothing, but for a restart, which is a new one.
                    let after = life.clone();
                    if command != Command::Restart {
                        match life.command(command) {
                            Ok(Reply::AlreadySo(_)) | Err(Refusal::Busy) => {}
                            other => prop_assert!(false, "{:?} {:?}", other, after),
                        }
                        prop_assert_eq!(&life, &after);
                    }
                }
                Step::Event(ago, event) => {
                    let generation = life.launched().saturating_sub(ago);
                    world.happens(&mut life, generation, event);
                }
                Step::Restart => {
                    // What is written down makes sense, and is all that is needed.
                    let restored = Lifecycle::restored(
                        life.desired(),
                        life.state().as_str().parse().unwrap(),
                        life.version().clone(),
                        (life.generation(), life.launched()),
                        life.fallback().cloned(),
                        life.failures(),
                    );
                    prop_assert_eq!(restored.as_ref(), Some(&life));
                    world = World::default();
                    let actions = life.recover();
                    world.act(actions);
                }
            }
            world.check(&life);
        }
        world.settle(&mut life);
        match (life.desired(), life.state()) {
            (Desired::Running, State::Running) => prop_assert_eq!(world.healthy.len(), 1),
            (Desired::Stopped, State::Stopped) | (Desired::Running, State::Failed) => {
                prop_assert!(world.healthy.is_empty());
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
