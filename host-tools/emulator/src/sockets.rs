//! The sockets that QEMU connects to, the file that it loads, and how it is
//! told about them.

use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::error::EmulatorError;
use crate::stream::NetStream;

/// How the network card is connected: QEMU got stream sockets over Unix
/// paths in 7.2; before that, the same octets go over TCP on the loopback.
pub(crate) enum Net {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

impl Net {
    pub(crate) fn listen(path: &Path, version: (u32, u32)) -> Result<Self, EmulatorError> {
        if version >= (7, 2) {
            return Ok(Self::Unix(listen(path)?, path.to_owned()));
        }
        let failed = |source| EmulatorError::Socket {
            what: "network card",
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self::Tcp(listener))
    }

    pub(crate) fn argument(&self) -> Result<String, EmulatorError> {
        match self {
            Self::Unix(_, path) => Ok(format!(
                "stream,id=n0,server=off,addr.type=unix,addr.path={}",
                escape(path)?
            )),
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => Ok(format!("socket,id=n0,connect={address}")),
                Err(source) => Err(EmulatorError::Socket {
                    what: "network card",
                    source,
                }),
            },
        }
    }

    pub(crate) fn accept(&self) -> std::io::Result<Option<NetStream>> {
        match self {
            Self::Unix(listener, _) => Ok(accept(listener)?.map(NetStream::Unix)),
            Self::Tcp(listener) => match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_nodelay(true)?;
                    Ok(Some(NetStream::Tcp(stream)))
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
                Err(e) => Err(e),
            },
        }
    }
}

pub(crate) fn accept(listener: &UnixListener) -> std::io::Result<Option<UnixStream>> {
    match listener.accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(false)?;
            Ok(Some(stream))
        }
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(e),
    }
}

pub(crate) fn listen(path: &Path) -> Result<UnixListener, EmulatorError> {
    UnixListener::bind(path)
        .and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        })
        .map_err(|source| EmulatorError::File {
            path: path.to_owned(),
            source,
        })
}

/// A folder for sockets: their paths may have 107 octets and no more.
pub(crate) fn folder() -> Result<tempfile::TempDir, EmulatorError> {
    let mut parent = std::env::temp_dir();
    if parent.as_os_str().len() > 80 {
        parent = PathBuf::from("/tmp");
    }
    tempfile::Builder::new()
        .prefix("magpie-")
        .tempdir_in(&parent)
        .map_err(|source| EmulatorError::File {
            path: parent,
            source,
        })
}

pub(crate) fn chardev(id: &str, path: &Path, server: &str) -> Result<String, EmulatorError> {
    Ok(format!(
        "socket,id={id},path={},server={server}",
        escape(path)?
    ))
}

/// The device that copies a file into memory at every reset.
pub(crate) fn loader(path: &Path, address: u32) -> Result<String, EmulatorError> {
    Ok(format!(
        "loader,file={},addr={address:#x},force-raw=on",
        escape(path)?
    ))
}

/// QEMU's option syntax: a comma is written twice.
fn escape(path: &Path) -> Result<String, EmulatorError> {
    match path.to_str() {
        Some(text) => Ok(text.replace(',', ",,")),
        None => Err(EmulatorError::File {
            path: path.to_owned(),
            source: std::io::Error::other("not UTF-8, so QEMU cannot be told"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_paths_are_written_twice() {
        assert_eq!(escape(Path::new("/a,b")).unwrap(), "/a,,b");
    }
}
