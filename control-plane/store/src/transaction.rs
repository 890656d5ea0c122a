//! Beginning a transaction.

use sqlx::{PgPool, Postgres, Transaction};

/// Reads that must fit together.
pub(crate) const READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Writes.
pub(crate) const WRITING: &str = "BEGIN";

/// Begins a transaction, also for a caller that may be gone at any moment: a client that hangs up ends the future that waits
/// for its answer.
///
/// sqlx (0.9) counts a transaction only once `BEGIN` was answered. A future that ends before that would return its connection
/// to the pool within the transaction, and whoever gets the connection next would write into it. So `BEGIN` runs to its end in
/// a task of its own; what nobody waits for any more is rolled back when it is dropped.
pub(crate) async fn begin(
    pool: &PgPool,
    statement: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    match tokio::spawn(async move { pool.begin_with(statement).await }).await {
        Ok(begun) => begun,
        Err(ended) => Err(sqlx::Error::Io(std::io::Error::other(ended))),
    }
}
