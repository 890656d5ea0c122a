//! A policy of the size that is asked for, and changes of it.

use uuid::Uuid;
use weir_core::capabilities::CapabilityOverrides;
use weir_core::snapshot::{Member, Pool, Provider, Snapshot};
use weir_llm::Schema;

use crate::Scale;

pub(crate) fn tenant(number: usize) -> Uuid {
    Uuid::from_u128(0xa000_0000 + number as u128)
}

pub(crate) fn initial(scale: &Scale) -> Snapshot {
    let providers = (0..scale.tenants * scale.providers).map(|number| provider(scale, number));
    let pools = (0..scale.pools).map(|number| pool(scale, number));
    Snapshot { revision: 1, providers: providers.collect(), pools: pools.collect(), ..Snapshot::default() }
}

fn provider(scale: &Scale, number: usize) -> Provider {
    Provider {
        id: Uuid::from_u128(0xb000_0000 + number as u128),
        tenant_id: Some(tenant(number / scale.providers)),
        name: format!("provider-{number}"),
        schema: Schema::named("openai").expect("a schema of the registry"),
        base_url: "https://127.0.0.1:8443/v1".parse().expect("a URL"),
        credential: Some(format!("sk-{number}").into()),
        authentication: None,
        query: String::new(),
        also_speaks: vec![],
        preset: None,
        capabilities: CapabilityOverrides::NONE,
    }
}

fn pool(scale: &Scale, number: usize) -> Pool {
    let owner = number % scale.tenants;
    let member = |member: usize| Member {
        deployment_id: Uuid::from_u128(0xd000_0000 + (number * scale.members + member) as u128),
        provider_id: Uuid::from_u128(0xb000_0000 + (owner * scale.providers + member % scale.providers) as u128),
        model: "gpt-4o".into(),
        price: None,
        next_prices: Vec::new(),
        capabilities: CapabilityOverrides::NONE,
    };
    Pool {
        id: Uuid::from_u128(0xc000_0000 + number as u128),
        tenant_id: Some(tenant(owner)),
        name: format!("pool-{number}"),
        members: (0..scale.members).map(member).collect(),
        first_byte_timeout_ms: 90_000,
        idle_timeout_ms: 300_000,
        request_timeout_ms: 600_000,
    }
}

/// Each kind of change in turn, to another tenant each time: whose policy it is.
pub(crate) fn change(scale: &Scale, snapshot: &mut Snapshot) -> Option<Uuid> {
    snapshot.revision += 1;
    let turn = snapshot.revision as usize;
    let at = turn * 37 % snapshot.pools.len();
    match turn % 5 {
        0 => snapshot.pools[at].members[0].model = format!("model-{turn}"),
        1 => snapshot.pools[at].request_timeout_ms += 1000,
        2 => {
            let at = turn * 37 % snapshot.providers.len();
            snapshot.providers[at].credential = Some(format!("sk-new-{turn}").into());
            return snapshot.providers[at].tenant_id;
        }
        3 => {
            let new = pool(scale, scale.pools + turn);
            let owner = new.tenant_id;
            snapshot.pools.push(new);
            return owner;
        }
        _ => return snapshot.pools.remove(at).tenant_id,
    }
    snapshot.pools[at].tenant_id
}

/// What of it is one owner's, as the store reads it.
pub(crate) fn of(snapshot: &Snapshot, owner: Option<Uuid>) -> Snapshot {
    Snapshot {
        revision: snapshot.revision,
        providers: snapshot.providers.iter().filter(|one| one.tenant_id == owner).cloned().collect(),
        pools: snapshot.pools.iter().filter(|one| one.tenant_id == owner).cloned().collect(),
        ..Snapshot::default()
    }
}
