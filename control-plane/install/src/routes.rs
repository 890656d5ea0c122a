//! The shortest way into a mesh: its gateway leads a host to an Envoy of Weir's, as to any other service.

use clap::Args;

use crate::Printed;
use crate::error::InstallError;

/// What leads where.
#[derive(Args, Debug, Clone)]
pub struct RouteSettings {
    /// The host that apps use.
    #[arg(long)]
    pub host: String,
    /// The gateway that takes it, as `namespace/name`.
    #[arg(long)]
    pub gateway: String,
    /// Namespace of Weir.
    #[arg(long, default_value = "weir")]
    pub namespace: String,
    /// The Service of Weir's Envoys in it, as the Helm chart calls it.
    #[arg(long, default_value = "weir-envoy")]
    pub service: String,
    /// Its port.
    #[arg(long, default_value_t = 80)]
    pub port: u16,
}

/// What its reader is told.
const NOTE: &str = "The filters run in Weir's own Envoys, not in the mesh's: nothing else of the gateway changes.";

/// For Envoy Gateway: an HTTPRoute, and a policy that lets an answer take its time.
pub fn envoy_gateway(settings: &RouteSettings) -> Result<Printed, InstallError> {
    let RouteSettings { host, namespace, service, port, .. } = checked(settings)?;
    let (gateway_namespace, gateway) = gateway(settings)?;
    let text = format!(
        "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{ name: weir, namespace: {namespace} }}
spec:
  parentRefs: [{{ name: {gateway}, namespace: {gateway_namespace} }}]
  hostnames: [\"{host}\"]
  rules:
  - matches: [{{ path: {{ type: PathPrefix, value: / }} }}]
    # A model may think for minutes; what is too long is for the pools' time-outs to say.
    timeouts: {{ request: 0s }}
    backendRefs: [{{ name: {service}, port: {port} }}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {{ name: weir, namespace: {namespace} }}
spec:
  targetRefs: [{{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: weir }}]
  timeout: {{ http: {{ requestTimeout: 0s }} }}
"
    );
    Ok(Printed { text, notes: vec![NOTE.to_owned()] })
}

/// For Istio: a VirtualService of an ingress gateway. Its own retries are off, since Weir's count and cost money.
pub fn istio(settings: &RouteSettings) -> Result<Printed, InstallError> {
    let RouteSettings { host, namespace, service, port, .. } = checked(settings)?;
    let (gateway_namespace, gateway) = gateway(settings)?;
    let text = format!(
        "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: weir, namespace: {namespace} }}
spec:
  hosts: [\"{host}\"]
  gateways: [{gateway_namespace}/{gateway}]
  http:
  - route: [{{ destination: {{ host: {service}.{namespace}.svc.cluster.local, port: {{ number: {port} }} }} }}]
    # Without `timeout` there is none: a model may think for minutes. Weir falls over by itself, and each attempt of somebody else's is
    # paid.
    retries: {{ attempts: 0 }}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: weir, namespace: {namespace} }}
spec:
  host: {service}.{namespace}.svc.cluster.local
  trafficPolicy:
    connectionPool: {{ http: {{ idleTimeout: 3600s }} }}
"
    );
    Ok(Printed { text, notes: vec![NOTE.to_owned()] })
}

fn gateway(settings: &RouteSettings) -> Result<(&str, &str), InstallError> {
    let wrong = || InstallError::Name { option: "--gateway", value: settings.gateway.clone() };
    let (namespace, name) = settings.gateway.split_once('/').ok_or_else(wrong)?;
    if is_name(namespace) && is_name(name) { Ok((namespace, name)) } else { Err(wrong()) }
}

/// Nothing in them can end the place that they are put into.
fn checked(settings: &RouteSettings) -> Result<&RouteSettings, InstallError> {
    let RouteSettings { host, namespace, service, .. } = settings;
    let host_name = host.strip_prefix("*.").unwrap_or(host);
    for (option, value, name) in
        [("--host", host, host_name), ("--namespace", namespace, namespace), ("--service", service, service)]
    {
        if !is_name(name) {
            return Err(InstallError::Name { option, value: value.clone() });
        }
    }
    Ok(settings)
}

/// As Kubernetes and DNS have them.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !name.is_empty() && name.len() <= 253 && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> RouteSettings {
        let [host, gateway, namespace, service] =
            ["llm.example.com", "gateways/public", "weir", "weir-envoy"].map(str::to_owned);
        RouteSettings { host, gateway, namespace, service, port: 80 }
    }

    #[test]
    fn what_is_printed_is_yaml_that_leads_to_the_service() {
        for printed in [envoy_gateway(&settings()).unwrap(), istio(&settings()).unwrap()] {
            let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(&printed.text).unwrap();
            assert_eq!(objects.len(), 2, "{}", printed.text);
            assert!(objects.iter().all(|object| object["metadata"]["namespace"] == "weir"));
            assert!(
                objects[0].to_string().contains("weir-envoy") && objects[0].to_string().contains("llm.example.com")
            );
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for wrong in [
            RouteSettings { host: "a\"b".to_owned(), ..settings() },
            RouteSettings { gateway: "public".to_owned(), ..settings() },
            RouteSettings { service: "a, b".to_owned(), ..settings() },
        ] {
            assert!(istio(&wrong).is_err() && envoy_gateway(&wrong).is_err(), "{wrong:?}");
        }
    }
}
