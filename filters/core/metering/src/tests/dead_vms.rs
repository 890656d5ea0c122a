//! What becomes of the records of a VM that dies.

use std::collections::BTreeSet;
use std::rc::Rc;

use weir_host::fake::FakeHost;

use super::{LEDGER, SECOND, Vm, stored};
use crate::{MeteringPlugin, Outbox};
use weir_config::parse;
use weir_proto::dataplane::UsageRecord;

/// Another VM of the same proxy.
fn another(vm: &Vm, owner: u64) -> Vm {
    let host = FakeHost { now: vm.host.now, shared: Rc::clone(&vm.host.shared), ..FakeHost::default() };
    let config = parse(LEDGER.as_bytes()).expect("a good configuration");
    Vm { plugin: MeteringPlugin::new(config), outbox: Rc::new(Outbox::new(owner)), host }
}

fn push(vm: &mut Vm, ids: std::ops::Range<u32>) {
    for id in ids {
        let record = UsageRecord { request_id: id.to_string(), ..Default::default() };
        vm.outbox.push(&mut vm.host, &vm.plugin.config, record);
    }
}

/// Ticks for so many seconds; every delivery is acknowledged. Answers the ids that were delivered.
fn live(vm: &mut Vm, seconds: u64) -> BTreeSet<String> {
    let before = vm.host.calls.len();
    for _ in 0..seconds * 5 {
        vm.host.now += SECOND / 5;
        vm.tick();
        while vm.host.calls.len() > before && vm.outbox.awaits(vm.host.calls.last().map_or(0, |call| call.id)) {
            let size = vm.delivered().last().map_or(0, Vec::len);
            vm.answer(stored(u32::try_from(size).expect("small")));
        }
    }
    vm.delivered().split_off(before).into_iter().flatten().collect()
}

fn ids(range: std::ops::Range<u32>) -> BTreeSet<String> {
    range.map(|id| id.to_string()).collect()
}

#[test]
fn what_a_dead_vm_had_kept_is_delivered_by_another() {
    let mut dead = Vm::new(LEDGER);
    push(&mut dead, 0..3);
    dead.tick();
    dead.answer(stored(3));
    push(&mut dead, 3..5);
    // Its last tick tells which are acknowledged; one record comes after it.
    dead.host.now += SECOND / 10;
    dead.tick();
    push(&mut dead, 5..6);
    let mut other = another(&dead, 2);
    assert_eq!(live(&mut other, 2), ids(0..0), "not before it is silent long enough to be dead");
    assert_eq!(live(&mut other, 5), ids(3..6), "what was not acknowledged, and nothing else");
    assert_eq!(other.host.counters.get("weir_usage_records_adopted"), Some(&3));
    let mut third = another(&other, 3);
    assert_eq!(live(&mut third, 10), ids(0..0), "nothing is taken over twice");
}

#[test]
fn a_living_vm_is_left_alone() {
    let mut idle = Vm::new(LEDGER);
    push(&mut idle, 0..1);
    let mut other = another(&idle, 2);
    for _ in 0..10 {
        assert_eq!(live(&mut idle, 1).len() + live(&mut other, 1).len(), idle.host.calls.len().min(1));
        idle.host.calls.clear();
    }
}

#[test]
fn an_adopter_that_dies_is_succeeded() {
    let mut dead = Vm::new(LEDGER);
    push(&mut dead, 0..4);
    // It takes the records over, and delivers none.
    let mut adopter = another(&dead, 2);
    adopter.host.refuse_calls = true;
    live(&mut adopter, 5);
    assert_eq!(adopter.outbox.len(), 4);
    let mut heir = another(&adopter, 3);
    assert_eq!(live(&mut heir, 5), ids(0..4));
}

#[test]
fn many_records_are_taken_over_in_steps_and_only_while_there_is_room() {
    let mut dead = Vm::new(r#"{"sink": {"control_plane": {"cluster": "weir"}}, "outbox_records": 2000}"#);
    push(&mut dead, 0..1500);
    let mut other = another(&dead, 2);
    other.host.now += 10 * SECOND;
    other.host.refuse_calls = true;
    other.tick();
    assert_eq!(other.outbox.len(), 512, "a step at a time");
    live(&mut other, 20);
    assert_eq!(other.outbox.len(), 512, "no more while the outbox is full");
    other.host.refuse_calls = false;
    assert_eq!(live(&mut other, 20), ids(0..1500));
    let empty = |slot: u32| {
        dead.host.shared.borrow().get(&format!("weir.usage.0.{slot}")).is_some_and(|(value, _)| value.is_empty())
    };
    assert!(!empty(1023) && empty(1024) && empty(1499), "slots that only an outage needs are emptied");
}

#[test]
fn a_vm_that_was_taken_for_dead_goes_on() {
    let mut stalled = Vm::new(LEDGER);
    push(&mut stalled, 0..2);
    let mut other = another(&stalled, 2);
    assert_eq!(live(&mut other, 5), ids(0..2));
    stalled.host.now += 5 * SECOND;
    push(&mut stalled, 2..3);
    stalled.host.refuse_calls = true;
    stalled.tick();
    assert_eq!(live(&mut other, 2), ids(0..0), "it lives again, elsewhere");
    // And then it does die: its records are safe again, those that were delivered before go out once more.
    assert_eq!(live(&mut other, 5), ids(0..3));
}

#[test]
fn lanes_and_places_are_used_again() {
    let mut keeper = Vm::new(LEDGER);
    for round in 0..50 {
        let mut vm = another(&keeper, 100 + round);
        push(&mut vm, 0..3);
        assert_eq!(live(&mut vm, 1).len(), 3);
        push(&mut vm, 3..5);
        keeper.host.now = vm.host.now;
        assert_eq!(live(&mut keeper, 5), ids(3..5), "round {round}");
    }
    let keys = keeper.host.shared.borrow().len();
    assert!(keys <= 16, "{keys} keys for one VM at a time");
}

#[test]
fn what_finds_no_room_is_logged_and_counted() {
    let mut vm = Vm::new(LEDGER);
    push(&mut vm, 0..12);
    assert_eq!(vm.outbox.len(), 10, "twice the 5 at which new requests are refused");
    assert_eq!(vm.host.counters.get("weir_usage_records_overflowed"), Some(&2));
    let lines: Vec<_> = vm.host.logged.iter().filter(|(_, line)| line.contains(r#""request_id":"1"#)).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let mut vm = Vm::new(r#"{"sink": {"control_plane": {"cluster": "weir"}}, "outbox_bytes": 1}"#);
    push(&mut vm, 0..3);
    assert_eq!(vm.outbox.len(), 1, "bytes count too");
}

#[test]
fn rubbish_in_a_dead_vms_lane_harms_no_other_record() {
    let mut dead = Vm::new(LEDGER);
    push(&mut dead, 0..3);
    let rubbish = [2_u64.to_le_bytes().as_slice(), b"\xff\xff"].concat();
    dead.host.shared.borrow_mut().insert("weir.usage.0.1".into(), (rubbish, 9));
    let mut other = another(&dead, 2);
    assert_eq!(live(&mut other, 5), ["0", "2"].map(str::to_owned).into());
    assert_eq!(other.host.counters.get("weir_usage_records_unreadable"), Some(&1));
}
