use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{GenericSecret, Secret, secret};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;
use secrecy::{ExposeSecret as _, SecretString};

/// A provider's credential as Envoy's credential injector takes it.
pub(super) fn credential(name: &str, credential: &SecretString) -> Any {
    let inline = Specifier::InlineString(credential.expose_secret().to_owned());
    let generic = GenericSecret {
        secret: Some(DataSource { specifier: Some(inline), ..Default::default() }),
        ..Default::default()
    };
    pack_any(Secret { name: name.to_owned(), r#type: Some(secret::Type::GenericSecret(generic)) })
}
