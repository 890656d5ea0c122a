//! The forms of keys, as their issuers document them or print them.
//!
//! The prefix alone leads to a key, so it is one that hardly any word begins with. What only looks like chance is found by the name it
//! is given ([`super::assignment`]).

/// What a run of characters is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Letters and digits.
    Word,
    /// Capital letters and digits.
    Upper,
    /// Small letters and digits.
    Lower,
    /// Hexadecimal digits.
    Hex,
    /// Letters, digits, `-` and `_`: base64 for URLs (RFC 4648 section 5).
    Url,
    /// What [`Self::Url`] has, and `.`, `=`, `~`.
    Dotted,
    /// Base64 (RFC 4648 section 4).
    Base64,
    /// What [`Self::Url`] and [`Self::Base64`] have, and `%`.
    Escaped,
    /// Digits.
    Digits,
}

impl Class {
    /// Whether a byte is one of these.
    pub(super) fn has(self, byte: u8) -> bool {
        let is_url = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match self {
            Self::Word => byte.is_ascii_alphanumeric(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Lower => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Url => is_url,
            Self::Dotted => is_url || matches!(byte, b'.' | b'=' | b'~'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
            Self::Escaped => is_url || matches!(byte, b'+' | b'/' | b'=' | b'%'),
            Self::Digits => byte.is_ascii_digit(),
        }
    }
}

/// A part of a key behind its prefix.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// These characters.
    Is(&'static str),
    /// At least and at most so many of a class, as many as there are.
    Run(Class, usize, usize),
    /// These characters and a run of a class, up to three times.
    Tail(&'static str, Class),
}

/// The form of one issuer's key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// The detector's name in findings.
    pub(super) name: &'static str,
    /// How it begins.
    pub(super) prefix: &'static str,
    /// What follows.
    pub(super) parts: &'static [Part],
    /// How random that is at least, in hundredths of a bit for each byte; 0: as much as any key.
    pub(super) entropy: u32,
}

use Class::{Base64, Digits, Dotted, Escaped, Hex, Lower, Upper, Url, Word};
use Part::{Is, Run, Tail};

/// Runs have no other bound than a secret's.
const OPEN: usize = 4096;

const fn key(name: &'static str, prefix: &'static str, parts: &'static [Part]) -> Format {
    Format { name, prefix, parts, entropy: 0 }
}

/// One whose prefix is a word: the rest has to look like chance.
const fn random(name: &'static str, prefix: &'static str, parts: &'static [Part]) -> Format {
    Format { name, prefix, parts, entropy: 300 }
}

/// RFC 9562 section 4.
#[rustfmt::skip]
const UUID: &[Part] = &[
    Run(Hex, 8, 8), Is("-"), Run(Hex, 4, 4), Is("-"), Run(Hex, 4, 4), Is("-"), Run(Hex, 4, 4), Is("-"), Run(Hex, 12, 12),
];
/// The same of letters and digits.
#[rustfmt::skip]
const LOWER_UUID: &[Part] = &[
    Run(Lower, 8, 8), Is("-"), Run(Lower, 4, 4), Is("-"), Run(Lower, 4, 4), Is("-"), Run(Lower, 4, 4), Is("-"), Run(Lower, 12, 12),
];

/// Every form. Where two begin alike, the longest key counts.
#[rustfmt::skip]
pub(super) const FORMATS: &[Format] = &[
    // Clouds.
    key("aws_access_key_id", "AKIA", &[Run(Upper, 16, 16)]),
    key("aws_access_key_id", "ASIA", &[Run(Upper, 16, 16)]),
    key("aws_access_key_id", "ABIA", &[Run(Upper, 16, 16)]),
    key("aws_access_key_id", "ACCA", &[Run(Upper, 16, 16)]),
    key("aws_access_key_id", "AGPA", &[Run(Upper, 16, 16)]),
    key("aws_access_key_id", "AIDA", &[Run(Upper, 16, 16)]),
    key("aws_access_key_id", "AROA", &[Run(Upper, 16, 16)]),
    key("aws_session_token", "IQoJb3JpZ2lu", &[Run(Escaped, 80, OPEN)]),
    key("aws_session_token", "FwoGZXIvYXdz", &[Run(Escaped, 80, OPEN)]),
    key("aws_bedrock_key", "ABSKQmVkcm9ja0FQSUtleS1", &[Run(Base64, 60, OPEN)]),
    key("aws_bedrock_key", "bedrock-api-key-", &[Run(Base64, 20, OPEN)]),
    key("aws_mws_token", "amzn.mws.", LOWER_UUID),
    key("aws_oauth_secret", "amzn1.oa2-cs.v1.", &[Run(Hex, 64, 64)]),
    key("aws_appsync_key", "da2-", &[Run(Lower, 26, 26)]),
    key("google_api_key", "AIza", &[Run(Url, 35, 35)]),
    key("google_oauth_secret", "GOCSPX-", &[Run(Url, 28, 28)]),
    key("google_oauth_token", "ya29.", &[Run(Url, 20, OPEN)]),
    key("google_refresh_token", "1//0", &[Run(Url, 35, OPEN)]),
    key("alibaba_access_key_id", "LTAI", &[Run(Word, 12, 26)]),
    key("tencent_secret_id", "AKID", &[Run(Word, 32, 36)]),
    key("digitalocean_token", "dop_v1_", &[Run(Hex, 64, 64)]),
    key("digitalocean_token", "doo_v1_", &[Run(Hex, 64, 64)]),
    key("digitalocean_token", "dor_v1_", &[Run(Hex, 64, 64)]),
    key("heroku_key", "HRKU-", &[Run(Url, 36, 64)]),
    key("cloudflare_token", "v1.0-", &[Run(Hex, 24, 24), Is("-"), Run(Hex, 146, 146)]),
    key("cloudflare_token", "cfut_", &[Run(Word, 40, 48)]),
    key("cloudflare_token", "cfat_", &[Run(Word, 40, 48)]),
    key("cloudflare_token", "cfk_", &[Run(Word, 40, 48)]),
    key("fly_token", "fo1_", &[Run(Url, 43, 43)]),
    key("fly_token", "fm1r_", &[Run(Base64, 100, OPEN)]),
    key("fly_token", "fm1a_", &[Run(Base64, 100, OPEN)]),
    key("fly_token", "fm2_", &[Run(Base64, 100, OPEN)]),
    key("scalingo_token", "tk-us-", &[Run(Url, 48, 48)]),
    key("yandex_token", "t1.", &[Run(Dotted, 68, 320)]),
    key("yandex_key", "AQVN", &[Run(Url, 34, 40)]),
    key("yandex_secret", "YCAJ", &[Run(Url, 21, 36)]),
    key("openshift_token", "sha256~", &[Run(Url, 43, 43)]),
    key("vercel_token", "vck_", &[Run(Word, 50, 64)]),
    key("vercel_token", "vcp_", &[Run(Word, 50, 64)]),
    key("supabase_token", "sbp_", &[Run(Hex, 40, 40)]),
    key("supabase_token", "sbp_v0_", &[Run(Hex, 40, 40)]),
    key("supabase_token", "sb_secret_", &[Run(Url, 30, 44)]),
    key("neon_key", "napi_", &[Run(Lower, 60, 68)]),
    key("planetscale_token", "pscale_tkn_", &[Run(Dotted, 32, 64)]),
    key("planetscale_token", "pscale_oauth_", &[Run(Dotted, 32, 64)]),
    key("planetscale_password", "pscale_pw_", &[Run(Dotted, 32, 64)]),
    key("databricks_token", "dapi", &[Run(Hex, 32, 32)]),
    key("databricks_token", "dapi", &[Run(Hex, 32, 32), Is("-"), Run(Digits, 1, 2)]),
    // Language models.
    key("key_of_openai", "sk-", &[Run(Word, 20, 20), Is("T3BlbkFJ"), Run(Word, 20, 20)]),
    random("key_of_openai", "sk-", &[Run(Word, 32, 64)]),
    key("key_of_openai", "sk-proj-", &[Run(Url, 40, 200)]),
    key("key_of_openai", "sk-svcacct-", &[Run(Url, 40, 200)]),
    key("key_of_openai", "sk-admin-", &[Run(Url, 40, 200)]),
    key("key_of_anthropic", "sk-ant-api03-", &[Run(Url, 80, 120)]),
    key("key_of_anthropic", "sk-ant-admin01-", &[Run(Url, 80, 120)]),
    key("key_of_anthropic", "sk-ant-oat01-", &[Run(Url, 80, 120)]),
    key("key_of_anthropic", "sk-ant-ort01-", &[Run(Url, 80, 120)]),
    key("key_of_anthropic", "sk-ant-sid01-", &[Run(Url, 80, 120)]),
    key("openrouter_key", "sk-or-v1-", &[Run(Hex, 64, 64)]),
    key("litellm_key", "sk-lf-", &[Run(Hex, 8, 8), Is("-"), Run(Url, 27, 27)]),
    key("langfuse_key", "pk-lf-", &[Run(Hex, 8, 8), Is("-"), Run(Url, 27, 27)]),
    key("langsmith_key", "lsv2_pt_", &[Run(Hex, 32, 32), Is("_"), Run(Hex, 10, 10)]),
    key("langsmith_key", "lsv2_sk_", &[Run(Hex, 32, 32), Is("_"), Run(Hex, 10, 10)]),
    key("groq_key", "gsk_", &[Run(Word, 48, 56)]),
    key("huggingface_token", "hf_", &[Run(Word, 34, 40)]),
    key("huggingface_token", "api_org_", &[Run(Word, 34, 40)]),
    key("replicate_token", "r8_", &[Run(Word, 37, 40)]),
    key("perplexity_key", "pplx-", &[Run(Word, 48, 56)]),
    key("xai_key", "xai-", &[Run(Word, 70, 90)]),
    key("together_key", "tgp_v1_", &[Run(Url, 43, 43)]),
    key("fireworks_key", "fw_", &[Run(Word, 22, 24)]),
    key("nvidia_key", "nvapi-", &[Run(Url, 60, 70)]),
    key("cerebras_key", "csk-", &[Run(Lower, 48, 48)]),
    key("llama_cloud_key", "llx-", &[Run(Word, 48, 48)]),
    key("tavily_key", "tvly-", &[Run(Url, 28, 64)]),
    key("firecrawl_key", "fc-", &[Run(Hex, 32, 32)]),
    key("jina_key", "jina_", &[Run(Url, 60, 64)]),
    key("pinecone_key", "pcsk_", &[Run(Url, 60, 80)]),
    key("elevenlabs_key", "sk_", &[Run(Hex, 48, 48)]),
    key("assemblyai_key", "aai_", &[Run(Hex, 32, 32)]),
    key("voyage_key", "pa-", &[Run(Url, 43, 43)]),
    // Version control, registries, continuous integration.
    key("github_token", "ghp_", &[Run(Word, 36, 40)]),
    key("github_token", "gho_", &[Run(Word, 36, 40)]),
    key("github_token", "ghu_", &[Run(Word, 36, 40)]),
    key("github_token", "ghs_", &[Run(Word, 36, 40)]),
    key("github_token", "ghr_", &[Run(Word, 36, 76)]),
    key("github_token", "github_pat_", &[Run(Url, 50, 100)]),
    key("gitlab_token", "glpat-", &[Run(Dotted, 20, 60)]),
    key("gitlab_token", "glptt-", &[Run(Url, 40, 40)]),
    key("gitlab_token", "gldt-", &[Run(Url, 20, 30)]),
    key("gitlab_token", "glrt-", &[Run(Dotted, 20, 60)]),
    key("gitlab_token", "glrtr-", &[Run(Dotted, 20, 60)]),
    key("gitlab_token", "glcbt-", &[Run(Url, 18, 40)]),
    key("gitlab_token", "glft-", &[Run(Url, 20, 30)]),
    key("gitlab_token", "glffct-", &[Run(Url, 20, 30)]),
    key("gitlab_token", "glimt-", &[Run(Url, 25, 25)]),
    key("gitlab_token", "glsoat-", &[Run(Url, 20, 60)]),
    key("gitlab_token", "glagent-", &[Run(Url, 50, 200)]),
    key("gitlab_token", "glwt-", &[Run(Url, 20, 60)]),
    key("gitlab_token", "gloas-", &[Run(Url, 64, 64)]),
    key("gitlab_token", "GR1348941", &[Run(Url, 20, 50)]),
    key("gitlab_token", "_gitlab_session=", &[Run(Lower, 32, 32)]),
    key("bitbucket_token", "ATBB", &[Run(Url, 24, 40)]),
    key("bitbucket_token", "ATCTT3xFfG", &[Run(Dotted, 60, 220)]),
    key("atlassian_token", "ATATT3xFfG", &[Run(Dotted, 60, 220)]),
    key("npm_token", "npm_", &[Run(Word, 36, 36)]),
    key("pypi_token", "pypi-AgE", &[Run(Url, 60, OPEN)]),
    key("rubygems_key", "rubygems_", &[Run(Hex, 48, 48)]),
    key("cargo_token", "cio", &[Run(Word, 32, 32)]),
    key("nuget_key", "oy2", &[Run(Lower, 43, 43)]),
    key("docker_token", "dckr_pat_", &[Run(Url, 27, 36)]),
    key("docker_token", "dckr_oat_", &[Run(Url, 27, 36)]),
    key("docker_swarm_token", "SWMTKN-1-", &[Run(Lower, 40, 60), Is("-"), Run(Lower, 20, 30)]),
    key("docker_swarm_key", "SWMKEY-1-", &[Run(Base64, 43, 43)]),
    key("clojars_token", "CLOJARS_", &[Run(Word, 60, 60)]),
    key("jfrog_key", "AKCp", &[Run(Word, 58, 80)]),
    key("jfrog_token", "cmVmdGtuOj", &[Run(Word, 40, 70)]),
    key("jfrog_token", "cmVmd", &[Run(Word, 59, 59)]),
    key("pulumi_token", "pul-", &[Run(Hex, 40, 40)]),
    key("terraform_vault_token", "hvs.", &[Run(Url, 24, 200)]),
    key("terraform_vault_token", "hvb.", &[Run(Url, 100, 400)]),
    key("doppler_token", "dp.pt.", &[Run(Word, 40, 44)]),
    key("doppler_token", "dp.st.", &[Run(Dotted, 40, 80)]),
    key("doppler_token", "dp.ct.", &[Run(Word, 40, 44)]),
    key("sonarqube_token", "squ_", &[Run(Hex, 40, 40)]),
    key("sonarqube_token", "sqp_", &[Run(Hex, 40, 40)]),
    key("sonarqube_token", "sqa_", &[Run(Hex, 40, 40)]),
    key("buildkite_token", "bkua_", &[Run(Hex, 40, 40)]),
    key("circleci_token", "CCIPAT_", &[Run(Word, 20, 24), Is("_"), Run(Hex, 40, 40)]),
    key("octopus_key", "API-", &[Run(Upper, 26, 26)]),
    key("prefect_key", "pnu_", &[Run(Lower, 36, 36)]),
    key("prefect_key", "pnb_", &[Run(Lower, 36, 36)]),
    key("harness_key", "pat.", &[Run(Url, 22, 22), Is("."), Run(Word, 24, 24), Is("."), Run(Word, 20, 20)]),
    key("harness_key", "sat.", &[Run(Url, 22, 22), Is("."), Run(Word, 24, 24), Is("."), Run(Word, 20, 20)]),
    key("sourcegraph_token", "sgp_", &[Run(Hex, 40, 40)]),
    key("sourcegraph_token", "sgp_", &[Run(Hex, 16, 16), Is("_"), Run(Hex, 40, 40)]),
    key("sourcegraph_token", "sgp_local_", &[Run(Hex, 40, 40)]),
    key("infracost_key", "ico-", &[Run(Word, 32, 32)]),
    key("snyk_token", "snyk_uat.", &[Run(Url, 8, 8), Is("."), Run(Url, 40, 400)]),
    // Payment.
    key("stripe_key", "sk_live_", &[Run(Word, 10, 120)]),
    key("stripe_key", "sk_test_", &[Run(Word, 10, 120)]),
    key("stripe_key", "sk_prod_", &[Run(Word, 10, 120)]),
    key("stripe_key", "rk_live_", &[Run(Word, 10, 120)]),
    key("stripe_key", "rk_test_", &[Run(Word, 10, 120)]),
    key("stripe_webhook_secret", "whsec_", &[Run(Base64, 28, 64)]),
    key("square_token", "sq0atp-", &[Run(Url, 22, 43)]),
    key("square_token", "sq0csp-", &[Run(Url, 40, 48)]),
    key("square_token", "EAAA", &[Run(Url, 56, 64)]),
    key("braintree_token", "access_token$", &[Run(Lower, 7, 10), Is("$"), Run(Lower, 16, 16), Is("$"), Run(Hex, 32, 32)]),
    key("plaid_token", "access-sandbox-", UUID),
    key("plaid_token", "access-development-", UUID),
    key("plaid_token", "access-production-", UUID),
    key("flutterwave_key", "FLWSECK_TEST-", &[Run(Hex, 12, 32)]),
    key("flutterwave_key", "FLWSECK-", &[Run(Hex, 32, 32)]),
    key("flutterwave_key", "FLWPUBK_TEST-", &[Run(Hex, 32, 32)]),
    key("razorpay_key", "rzp_live_", &[Run(Word, 14, 14)]),
    key("razorpay_key", "rzp_test_", &[Run(Word, 14, 14)]),
    key("easypost_key", "EZAK", &[Run(Word, 54, 54)]),
    key("easypost_key", "EZTK", &[Run(Word, 54, 54)]),
    key("shippo_token", "shippo_live_", &[Run(Hex, 40, 40)]),
    key("shippo_token", "shippo_test_", &[Run(Hex, 40, 40)]),
    key("duffel_token", "duffel_test_", &[Run(Dotted, 43, 43)]),
    key("duffel_token", "duffel_live_", &[Run(Dotted, 43, 43)]),
    key("shopify_token", "shpat_", &[Run(Hex, 32, 32)]),
    key("shopify_token", "shpca_", &[Run(Hex, 32, 32)]),
    key("shopify_token", "shppa_", &[Run(Hex, 32, 32)]),
    key("shopify_token", "shpss_", &[Run(Hex, 32, 32)]),
    // Chat, mail, calls.
    key("slack_token", "xoxb-", &[Run(Url, 20, 120)]),
    key("slack_token", "xoxp-", &[Run(Url, 24, 120)]),
    key("slack_token", "xoxa-", &[Run(Url, 24, 120)]),
    key("slack_token", "xoxr-", &[Run(Url, 8, 120)]),
    key("slack_token", "xoxs-", &[Run(Url, 24, 120)]),
    key("slack_token", "xoxo-", &[Run(Url, 24, 120)]),
    key("slack_token", "xoxe-", &[Run(Url, 60, 240)]),
    key("slack_token", "xoxe.xoxb-", &[Run(Url, 60, 240)]),
    key("slack_token", "xoxe.xoxp-", &[Run(Url, 60, 240)]),
    key("slack_token", "xapp-", &[Run(Url, 20, 160)]),
    random("slack_webhook", "hooks.slack.com/services/", &[Run(Base64, 40, 70)]),
    random("slack_webhook", "hooks.slack.com/workflows/", &[Run(Base64, 40, 80)]),
    random("discord_webhook", "discord.com/api/webhooks/", &[Run(Digits, 16, 20), Is("/"), Run(Url, 60, 70)]),
    key("sendgrid_key", "SG.", &[Run(Url, 22, 22), Is("."), Run(Url, 39, 43)]),
    random("sendgrid_key", "SG.", &[Run(Dotted, 66, 66)]),
    key("twilio_key", "SK", &[Run(Hex, 32, 32)]),
    random("twilio_key", "AC", &[Run(Hex, 32, 32)]),
    key("mailgun_key", "key-", &[Run(Hex, 32, 32)]),
    key("mailgun_key", "pubkey-", &[Run(Hex, 32, 32)]),
    key("mailersend_key", "mlsn.", &[Run(Hex, 64, 64)]),
    key("resend_key", "re_", &[Run(Word, 8, 8), Is("_"), Run(Word, 24, 24)]),
    key("brevo_key", "xkeysib-", &[Run(Hex, 64, 64), Is("-"), Run(Word, 16, 16)]),
    key("brevo_key", "xsmtpsib-", &[Run(Hex, 64, 64), Is("-"), Run(Word, 16, 16)]),
    key("twitch_key", "live_", &[Run(Digits, 6, 12), Is("_"), Run(Word, 30, 30)]),
    key("facebook_token", "EAAC", &[Run(Word, 40, 400)]),
    key("facebook_token", "EAAB", &[Run(Word, 40, 400)]),
    key("facebook_token", "EAAG", &[Run(Word, 40, 400)]),
    key("facebook_token", "EAAM", &[Run(Word, 40, 400)]),
    key("twitter_token", "AAAAAAAAAAAAAAAAAAAAA", &[Run(Escaped, 60, 130)]),
    // Monitoring.
    key("newrelic_key", "NRAK-", &[Run(Word, 27, 27)]),
    key("newrelic_key", "NRII-", &[Run(Url, 25, 34)]),
    key("newrelic_key", "NRIQ-", &[Run(Url, 25, 34)]),
    key("newrelic_key", "NRAA-", &[Run(Hex, 27, 27)]),
    key("newrelic_key", "NRJS-", &[Run(Hex, 19, 19)]),
    key("newrelic_key", "NRSP-", &[Run(Url, 25, 60)]),
    key("sentry_token", "sntryu_", &[Run(Hex, 64, 64)]),
    key("sentry_token", "sntrys_", &[Run(Escaped, 80, 400)]),
    key("grafana_key", "glc_", &[Run(Base64, 32, 400)]),
    key("grafana_key", "glsa_", &[Run(Word, 32, 32), Is("_"), Run(Hex, 8, 8)]),
    key("dynatrace_token", "dt0c01.", &[Run(Word, 24, 24), Is("."), Run(Word, 64, 64)]),
    key("dynatrace_token", "dt0s01.", &[Run(Word, 8, 8), Is("."), Run(Word, 64, 64)]),
    key("posthog_key", "phc_", &[Run(Word, 32, 64)]),
    key("posthog_key", "phx_", &[Run(Word, 32, 64)]),
    key("pagerduty_key", "pdus+", &[Run(Url, 20, 40)]),
    key("honeycomb_key", "hcaik_", &[Run(Lower, 58, 64)]),
    key("akamai_key", "akab-", &[Run(Lower, 16, 16), Is("-"), Run(Lower, 16, 16)]),
    // Everything else.
    key("json_web_token", "eyJ", &[Run(Url, 14, OPEN), Is(".ey"), Run(Url, 14, OPEN), Tail(".", Url)]),
    key("grafana_key", "eyJrIjoi", &[Run(Base64, 60, 400)]),
    key("onepassword_token", "ops_eyJ", &[Run(Base64, 200, OPEN)]),
    key("onepassword_key", "A3-", &[
        Run(Upper, 6, 6), Is("-"), Run(Upper, 5, 11), Is("-"), Run(Upper, 5, 6), Is("-"), Run(Upper, 5, 5), Is("-"),
        Run(Upper, 5, 5), Tail("-", Upper),
    ]),
    key("age_key", "AGE-SECRET-KEY-1", &[Run(Upper, 58, 58)]),
    key("figma_token", "figd_", &[Run(Url, 38, 44)]),
    key("notion_token", "ntn_", &[Run(Word, 40, 50)]),
    key("notion_token", "secret_", &[Run(Word, 43, 43)]),
    key("linear_key", "lin_api_", &[Run(Word, 40, 40)]),
    key("postman_key", "PMAK-", &[Run(Hex, 24, 24), Is("-"), Run(Hex, 34, 34)]),
    key("postman_key", "PMAT-", &[Run(Upper, 26, 26)]),
    key("readme_key", "rdme_", &[Run(Lower, 70, 70)]),
    key("typeform_token", "tfp_", &[Run(Dotted, 59, 64)]),
    key("frameio_token", "fio-u-", &[Run(Dotted, 64, 64)]),
    key("airtable_token", "patA", &[Run(Word, 13, 13), Is("."), Run(Hex, 64, 64)]),
    key("hubspot_token", "pat-na1-", UUID),
    key("hubspot_token", "pat-eu1-", UUID),
    key("contentful_token", "CFPAT-", &[Run(Url, 43, 43)]),
    key("dropbox_token", "sl.", &[Run(Url, 100, 200)]),
    key("dropbox_token", "sl.u.", &[Run(Url, 100, OPEN)]),
    key("salesforce_token", "00D", &[Run(Word, 12, 15), Is("!"), Run(Dotted, 80, 120)]),
    key("salesforce_consumer_key", "3MVG", &[Run(Dotted, 60, 120)]),
    key("mapbox_token", "pk.", &[Run(Lower, 60, 60), Is("."), Run(Lower, 22, 22)]),
    key("mapbox_token", "sk.eyJ", &[Run(Url, 50, 120), Is("."), Run(Url, 22, 22)]),
    key("authress_key", "sc_", &[
        Run(Lower, 10, 30), Is("."), Run(Word, 4, 6), Is(".acc"), Run(Url, 10, 32), Is("."), Run(Escaped, 30, 120),
    ]),
    key("defined_networking_token", "dnkey-", &[Run(Dotted, 26, 26), Is("-"), Run(Dotted, 52, 52)]),
    key("settlemint_token", "sm_pat_", &[Run(Word, 16, 16)]),
    key("settlemint_token", "sm_sat_", &[Run(Word, 16, 16)]),
    key("settlemint_token", "sm_aat_", &[Run(Word, 16, 16)]),
    key("intra42_secret", "s-s4t2ud-", &[Run(Hex, 64, 64)]),
    key("intra42_secret", "s-s4t2af-", &[Run(Hex, 64, 64)]),
    key("tailscale_key", "tskey-", &[Run(Url, 28, 80)]),
    key("ngrok_token", "ak_2", &[Run(Word, 26, 28)]),
    key("aiven_token", "AVNS_", &[Run(Url, 15, 24)]),
    key("gocardless_token", "live_", &[Run(Dotted, 40, 40)]),
    // Private keys in DER (RFC 5958, RFC 8017, RFC 5915) and of OpenSSH, in base64 without lines around them. A certificate begins with
    // a length of the same size, and goes on with a sequence where these have their version.
    key("private_key", "MIIEvAIBADAN", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIEvQIBADAN", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIEvgIBADAN", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIEvwIBADAN", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIEow", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIEpA", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIEpQ", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIJQAIBADAN", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIJQQIBADAN", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIJQgIBADAN", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIJQwIBADAN", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIJKAIBAAKC", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIJKQIBAAKC", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIJKgIBAAKC", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIIJKwIBAAKC", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIICXQIBAAKB", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MHcCAQEEI", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MIGHAgEA", &[Run(Base64, 40, OPEN)]),
    key("private_key", "MC4CAQAwBQYDK2Vw", &[Run(Base64, 40, OPEN)]),
    key("private_key", "b3BlbnNzaC1rZXktdjE", &[Run(Base64, 40, OPEN)]),
    key("private_key", "LS0tLS1CRUdJTiBQUklWQVRF", &[Run(Base64, 40, OPEN)]),
    key("private_key", "LS0tLS1CRUdJTiBSU0EgUFJJVkFURS", &[Run(Base64, 40, OPEN)]),
    key("private_key", "LS0tLS1CRUdJTiBFQyBQUklWQVRF", &[Run(Base64, 40, OPEN)]),
    key("private_key", "LS0tLS1CRUdJTiBPUEVOU1NIIFBS", &[Run(Base64, 40, OPEN)]),
];

/// The form of a key that is known by what stands within it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Infix {
    /// The detector's name in findings.
    pub(super) name: &'static str,
    /// What stands before the literal, and how much of it.
    pub(super) head: (Class, usize),
    /// What it is known by.
    pub(super) literal: &'static str,
    /// What follows: at least and at most so many.
    pub(super) tail: (Class, usize, usize),
}

const fn infix(name: &'static str, head: (Class, usize), literal: &'static str, tail: (Class, usize, usize)) -> Infix {
    Infix { name, head, literal, tail }
}

/// Every such form.
pub(super) const INFIXES: &[Infix] = &[
    infix("azure_client_secret", (Dotted, 3), "7Q~", (Dotted, 31, 34)),
    infix("azure_client_secret", (Dotted, 3), "8Q~", (Dotted, 31, 34)),
    infix("azure_client_secret", (Dotted, 3), "9Q~", (Dotted, 31, 34)),
    infix("azure_key", (Word, 52), "JQQJ9", (Word, 27, 27)),
    infix("azure_devops_token", (Word, 76), "AZDO", (Word, 4, 4)),
    infix("terraform_token", (Word, 14), ".atlasv1.", (Url, 60, 70)),
    infix("mailchimp_key", (Hex, 32), "-us", (Digits, 1, 2)),
    infix("newrelic_key", (Lower, 36), "NRAL", (Word, 0, 0)),
];
