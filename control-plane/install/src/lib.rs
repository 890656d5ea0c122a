//! `weir install`: what an Envoy of the user's needs so that Weir runs in it.
//!
//! [`envoy`] prints the bootstrap of an Envoy that has nothing but Weir, or the user's own one with Weir added. Of that only lines are
//! added ([`merge`]), by its text and not by its values, so that its comments stay and a difference shows what is new; that nothing of it
//! has changed is compared all the same before anything is printed. What Weir needs is cut out of `envoy/bootstrap.yaml`
//! ([`pieces`]), the one that `make run` runs.
//!
//! [`istio`] and [`envoy_gateway`] print the route by which a mesh's gateway leads a host to an Envoy of Weir's.

mod check;
mod error;
mod lines;
mod merge;
mod pieces;
mod routes;
mod settings;
mod sni;

pub use error::InstallError;
pub use routes::{RouteSettings, envoy_gateway, istio};
pub use settings::{EnvoySettings, Form};

/// What is printed to standard output, and what its reader is told besides.
#[derive(Debug)]
pub struct Printed {
    /// A bootstrap, or how it differs from the user's.
    pub text: String,
    /// In sentences.
    pub notes: Vec<String>,
}

/// The bootstrap of an Envoy with Weir.
pub fn envoy(settings: &EnvoySettings) -> Result<Printed, InstallError> {
    let mut notes: Vec<String> = pieces::note_on_encryption(settings)?.into_iter().collect();
    let Some(path) = &settings.bootstrap else {
        let text = pieces::whole(settings)?;
        check::envoy(settings, &text, &mut notes)?;
        return Ok(Printed { text, notes });
    };
    let own =
        std::fs::read_to_string(path).map_err(|source| InstallError::Unreadable { path: path.clone(), source })?;
    let merged = merge::merge(&own, settings)?;
    notes.extend(merged.notes);
    check::envoy(settings, &merged.text, &mut notes)?;
    let text = if settings.diff { lines::difference(&own, &merged.insertions, path) } else { merged.text };
    Ok(Printed { text, notes })
}
