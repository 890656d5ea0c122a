use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::Empty;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;

use super::*;

/// Short, as the tests wait for it to pass.
const SILENCE: Duration = Duration::from_millis(300);
/// What is answered, or closed, is by then.
const DEADLINE: Duration = Duration::from_secs(10);
/// A stream outlives the time of silence several times.
const EVENTS: usize = 10;

const REQUEST: &str = "GET /at-once HTTP/1.1\r\nhost: weir\r\n\r\n";
const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame (RFC 9113, 6.5).
const SETTINGS: &str = "\0\0\0\x04\0\0\0\0\0";

struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

async fn server(connections: u32, silence: Duration, longest: Option<Duration>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/at-once", get(async || "here"))
        .route("/later", get(async || tokio::time::sleep(SILENCE * 3).await))
        .route("/body", post(async |body: Bytes| body))
        .route("/stream", get(async || Body::from_stream(events())))
        .route("/open-ended", get(async || (axum::Extension(OpenEnded), Body::from_stream(events()))));
    let (stop, stopping) = watch::channel(false);
    let served =
        tokio::spawn(serve("test", listener, None, router, Limits { connections, silence, longest }, stopping));
    Server { address, stop, served }
}

fn events() -> impl futures::Stream<Item = Result<&'static str, Infallible>> {
    let ticks = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(SILENCE / 2));
    ticks.take(EVENTS).map(|_| Ok("event\n"))
}

impl Server {
    async fn connect(&self, first: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        stream
    }
}

/// All that comes until the other end closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end as well.
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut all)).await.expect("closed in time");
    String::from_utf8_lossy(&all).into_owned()
}

async fn until_answered(stream: &mut TcpStream) -> String {
    let mut some = vec![0; 4096];
    let read = tokio::time::timeout(DEADLINE, stream.read(&mut some)).await.expect("answered in time").unwrap();
    String::from_utf8_lossy(&some[..read]).into_owned()
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let server = server(100, SILENCE, None).await;
    let check = async |first: &str, answers: usize| {
        let began = Instant::now();
        let mut stream = server.connect(first).await;
        let all = until_closed(&mut stream).await;
        assert_eq!(all.matches("HTTP/1.1 200").count(), answers, "{first:?}: {all}");
        assert!(began.elapsed() >= SILENCE, "{first:?}: {:?}", began.elapsed());
    };
    let begun = format!("{PREFACE}{SETTINGS}");
    let two = format!("{REQUEST}{REQUEST}GET /");
    tokio::join!(
        check("", 0),
        check("P", 0),
        check("GET / HT", 0),
        check("GET / HTTP/1.1\r\nhost: weir\r\n", 0),
        check(&PREFACE[..20], 0),
        check(PREFACE, 0),
        check(&begun, 0),
        check(REQUEST, 1),
        check(&two, 2),
    );
}

#[tokio::test]
async fn a_connection_that_keeps_asking_stays_however_short_its_requests_are() {
    let server = server(100, SILENCE, None).await;
    let mut stream = server.connect("").await;
    let began = Instant::now();
    while began.elapsed() < SILENCE * 4 {
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        assert!(until_answered(&mut stream).await.starts_with("HTTP/1.1 200"), "after {:?}", began.elapsed());
        tokio::time::sleep(SILENCE / 3).await;
    }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let server = server(100, SILENCE, None).await;
    for begin in ["GET / HTTP/1.1\r\nx: ", ""] {
        let mut stream = server.connect(begin).await;
        let began = Instant::now();
        while stream.write_all(b"x").await.is_ok() {
            assert!(began.elapsed() < DEADLINE, "{begin:?}");
            tokio::time::sleep(SILENCE / 10).await;
        }
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_although_it_answers_pings() {
    let server = server(100, SILENCE, None).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://weir/at-once").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    tokio::time::timeout(DEADLINE, connection).await.expect("closed in time").unwrap().unwrap();
}

#[tokio::test]
async fn what_is_under_way_is_not_cut() {
    let server = server(100, SILENCE, None).await;
    let http1 = async |path: &str| {
        let mut stream =
            server.connect(&format!("GET {path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n")).await;
        until_closed(&mut stream).await
    };
    let http2 = async |path: &str| {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get(format!("http://weir{path}")).body(Empty::<Bytes>::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let all = answer.into_body().collect().await.unwrap().to_bytes();
        connection.abort();
        String::from_utf8(all.to_vec()).unwrap()
    };
    let (late, streamed, late2, streamed2) =
        tokio::join!(http1("/later"), http1("/stream"), http2("/later"), http2("/stream"));
    assert!(late.starts_with("HTTP/1.1 200"), "{late}");
    assert_eq!(late2, "");
    for streamed in [streamed, streamed2] {
        assert_eq!(streamed.matches("event").count(), EVENTS, "{streamed}");
    }
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_where_there_is_a_longest_time() {
    let server = server(100, DEADLINE * 2, Some(SILENCE)).await;
    let mut half = server.connect("POST /body HTTP/1.1\r\nhost: weir\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_eq!(until_closed(&mut half).await, "");
    let mut whole = server.connect("POST /body HTTP/1.1\r\nhost: weir\r\ncontent-length: 5\r\n\r\nwhole").await;
    assert!(until_answered(&mut whole).await.ends_with("whole"));
}

#[tokio::test]
async fn beyond_the_bound_connections_wait_for_their_turn() {
    let server = server(2, DEADLINE * 2, None).await;
    let first = server.connect("").await;
    let mut second = server.connect(REQUEST).await;
    assert!(until_answered(&mut second).await.ends_with("here"));
    let mut third = server.connect(REQUEST).await;
    let mut fourth = server.connect(REQUEST).await;
    // Nothing tells that a connection waits but that it is not answered, so some time must pass.
    assert!(tokio::time::timeout(SILENCE, third.read_u8()).await.is_err(), "the third was served beside two");
    drop(first);
    assert!(until_answered(&mut third).await.ends_with("here"));
    assert!(tokio::time::timeout(SILENCE, fourth.read_u8()).await.is_err(), "the fourth was served beside two");
    drop(second);
    assert!(until_answered(&mut fourth).await.ends_with("here"));
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way_and_for_nothing_else() {
    let server = server(100, DEADLINE * 2, None).await;
    let _silent = server.connect("").await;
    let mut idle = server.connect(REQUEST).await;
    assert!(until_answered(&mut idle).await.ends_with("here"));
    let mut under_way = server.connect("GET /stream HTTP/1.1\r\nhost: weir\r\n\r\n").await;
    let first = until_answered(&mut under_way).await;
    server.stop.send_replace(true);
    let rest = until_closed(&mut under_way).await;
    assert_eq!(format!("{first}{rest}").matches("event").count(), EVENTS);
    tokio::time::timeout(DEADLINE, server.served).await.expect("ended in time").unwrap();
}

#[tokio::test]
async fn an_answer_with_an_open_end_is_not_cut_and_no_excuse_for_others() {
    let server = server(100, SILENCE * 20, Some(SILENCE)).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n");
    let mut cut = server.connect(&get("/stream")).await;
    let mut open = server.connect(&get("/open-ended")).await;
    let (cut, open) = tokio::join!(until_closed(&mut cut), until_closed(&mut open));
    assert!(cut.matches("event").count() < EVENTS, "{cut}");
    assert_eq!(open.matches("event").count(), EVENTS, "{open}");
}

#[tokio::test]
async fn a_thousand_connections_at_once_are_all_served_in_turn() {
    let server = server(100, DEADLINE, Some(DEADLINE)).await;
    let request = "GET /at-once HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n";
    let clients = (0..1000).map(|_| async {
        let mut stream = server.connect(request).await;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.map(|_| String::from_utf8_lossy(&all).into_owned())
    });
    let answers = tokio::time::timeout(DEADLINE * 3, futures::future::join_all(clients)).await.expect("all in time");
    for answer in answers {
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_answered_whole() {
    let server = server(100, DEADLINE, Some(DEADLINE)).await;
    let request = "GET /later HTTP/1.1\r\nhost: weir\r\n\r\n";
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(server.connect(request).await);
    }
    // The last is under way, and so are those before it.
    let mut first = server.connect(REQUEST).await;
    until_answered(&mut first).await;
    server.stop.send_replace(true);
    for client in &mut clients {
        let answer = until_closed(client).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    tokio::time::timeout(DEADLINE, server.served).await.expect("the port ends").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is taken any more");
}
