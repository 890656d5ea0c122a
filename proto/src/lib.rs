//! The protocol between the filters and the control plane: `weir.dataplane.v1`.
//!
//! Messages are plain prost types for everybody; the gRPC client and server need the feature `grpc`, since the filters
//! speak gRPC through Envoy.

/// `weir.dataplane.v1`, generated from `proto/weir/dataplane/v1/dataplane.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod dataplane {
    include!("gen/weir.dataplane.v1.rs");
}
