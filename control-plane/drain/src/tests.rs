use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use super::*;

const BUSY: &str =
    "http.admin.downstream_rq_active: 1\nhttp.weir.downstream_rq_active: 1\nhttp.weir.downstream_cx_active: 1\n";
const IDLE: &str = "http.admin.downstream_rq_active: 1\nhttp.weir.downstream_rq_active: 0\n";
/// As after a change of the module.
const STUCK: &str = "http.admin.downstream_rq_active: 1\nweir_usage_records_taken: 9\nweir_usage_records_stored: 2\n";

/// An admin interface that gives these answers to what is asked of its figures, in order; the last repeats.
async fn admin_that_says(answers: &'static [(u16, &'static str)]) -> (DrainSettings, Arc<AtomicUsize>) {
    let (asked, quits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stats = move || {
        let (status, text) = answers[asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)];
        async move { (StatusCode::from_u16(status).unwrap(), text) }
    };
    let counted = Arc::clone(&quits);
    let quit = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async {}
    };
    let router = Router::new().route("/stats", get(stats)).route("/drain_listeners", post(|| async {}));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let admin_url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router.route("/quitquitquit", post(quit))).await });
    (DrainSettings { admin_url, farewell_seconds: 0, timeout_seconds: 60, quit: true, on_sigterm: false }, quits)
}

#[tokio::test]
async fn requests_under_way_and_silence_are_waited_for() {
    static ANSWERS: [(u16, &str); 4] = [(200, BUSY), (503, ""), (200, BUSY), (200, IDLE)];
    let (settings, quits) = admin_that_says(&ANSWERS).await;
    assert_eq!(drain(&settings).await.unwrap(), Unfinished::default());
    assert_eq!(quits.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_pod_that_ends_is_there_for_who_is_about_to_connect() {
    static ANSWERS: [(u16, &str); 1] = [(200, IDLE)];
    let (settings, _) = admin_that_says(&ANSWERS).await;
    let settings = DrainSettings { farewell_seconds: 3600, timeout_seconds: 0, on_sigterm: true, ..settings };
    let envoy = Envoy::of(&settings).unwrap();
    let is_over = async |settings: &DrainSettings, within: Duration| {
        tokio::time::timeout(within, envoy.drain(settings)).await.is_ok()
    };
    assert!(!is_over(&settings, 2 * LEASES).await);
    // By hand whoever asks knows that nobody comes.
    assert!(is_over(&DrainSettings { on_sigterm: false, ..settings }, Duration::from_secs(60)).await);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_told() {
    static ANSWERS: [(u16, &str); 1] = [(200, BUSY)];
    let (settings, quits) = admin_that_says(&ANSWERS).await;
    let unfinished = drain(&DrainSettings { timeout_seconds: 0, ..settings }).await.unwrap();
    assert_eq!((unfinished.requests, quits.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn counters_that_began_anew_do_not_hold_it_for_ever() {
    static ANSWERS: [(u16, &str); 1] = [(200, STUCK)];
    let (settings, _) = admin_that_says(&ANSWERS).await;
    let unfinished = drain(&DrainSettings { quit: false, ..settings }).await.unwrap();
    assert_eq!(unfinished, Unfinished { requests: 0, records: 7 });
}

#[tokio::test]
async fn an_admin_interface_that_is_none_is_told() {
    static ANSWERS: [(u16, &str); 1] = [(200, "<html>")];
    let (settings, _) = admin_that_says(&ANSWERS).await;
    let error = drain(&settings).await.unwrap_err().to_string();
    assert!(error.contains("does not answer"), "{error}");
}

#[test]
fn probes_are_no_requests() {
    let stats = "http.admin.downstream_rq_active: 1\nhttp.weir_health.downstream_rq_active: 1\nhttp.weir.downstream_rq_active: 2\n";
    assert_eq!(figures(stats).unwrap().unfinished.requests, 2);
    assert_eq!(figures(""), None);
}
