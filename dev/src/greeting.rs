//! What `make run` prints once everything serves.

use std::path::Path;

use crate::state::{RunFile, Seeded};

/// Addresses, logins and a request to try.
pub fn text(file: &RunFile, seeded: &Seeded, state: &Path) -> String {
    let RunFile { gateway_url, console_url, admin_email, admin_password, api_key, .. } = file;
    let model = &seeded.first_model;
    let (path, headers, body) = if model.starts_with("claude-") {
        let body = format!(r#"{{"model": "{model}", "max_tokens": 200, "#);
        ("/v1/messages", format!("-H 'x-api-key: {api_key}' -H 'anthropic-version: 2023-06-01'"), body)
    } else {
        let body = format!(r#"{{"model": "{model}", "#);
        ("/v1/chat/completions", format!("-H 'authorization: Bearer {api_key}'"), body)
    };
    let provider = if seeded.demo {
        "Answers come from the demo provider, which is not a real model. To use real ones, set OPENAI_API_KEY or\n  \
         ANTHROPIC_API_KEY before the first run (`make clean` starts over)."
    } else {
        "Answers come from the providers whose credentials were in the environment, and cost what they cost."
    };
    format!(
        r#"
Weir is running.

  Gateway   {gateway_url}
  Console   {console_url}
  Login     {admin_email}  {admin_password}
  API key   {api_key}

Try it:

  curl {gateway_url}{path} {headers} \
    -H 'content-type: application/json' \
    -d '{body}"messages": [{{"role": "user", "content": "Hello"}}]}}'

  {provider}

Logs and data are in {}. Ctrl-C ends everything."#,
        state.display()
    )
}
