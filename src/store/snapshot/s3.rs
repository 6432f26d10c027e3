//! A shelf that is a prefix in a bucket of an S3 object store. The `object_store` crate speaks to
//! it; credentials come from the usual environment variables.

use std::io;
use std::path::Path;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectStore, ObjectStoreExt};

use super::Shelf;
use crate::store::error::IoFailure;

/// Parts below a prefix of a bucket.
#[derive(Debug)]
pub struct S3Shelf {
    bucket: AmazonS3,
    prefix: String,
    runtime: tokio::runtime::Runtime,
}

impl S3Shelf {
    /// The shelf that `s3://BUCKET/PREFIX` names. Region, endpoint and credentials are taken from
    /// `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID` and so on.
    pub fn open(url: &str) -> Result<Self, IoFailure> {
        let fail = |error: io::Error| IoFailure::new("open", Path::new(url), error);
        let (_, rest) = url
            .split_once("s3://")
            .ok_or_else(|| fail(io::Error::other("expected s3://BUCKET/PREFIX")))?;
        let prefix = rest.split_once('/').map_or("", |(_, prefix)| prefix);
        let builder = AmazonS3Builder::from_env().with_url(url);
        let bucket = builder.build().map_err(|error| fail(io::Error::other(error)))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        Ok(Self { bucket, prefix: prefix.trim_matches('/').to_string(), runtime })
    }

    /// The same with everything said: for servers on loopback.
    #[cfg(test)]
    pub(crate) fn at(bucket: &str, prefix: &str, endpoint: &str) -> Result<Self, IoFailure> {
        let fail = |error: io::Error| IoFailure::new("open", Path::new(endpoint), error);
        let bucket = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region("us-east-1")
            .with_endpoint(endpoint)
            .with_allow_http(true)
            .with_access_key_id("k")
            .with_secret_access_key("s")
            .build()
            .map_err(|error| fail(io::Error::other(error)))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        Ok(Self { bucket, prefix: prefix.to_string(), runtime })
    }

    fn path(&self, name: &str) -> object_store::path::Path {
        object_store::path::Path::from(format!("{}/{name}", self.prefix))
    }
}

impl Shelf for S3Shelf {
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), IoFailure> {
        let path = self.path(name);
        let put = self.bucket.put(&path, bytes.to_vec().into());
        let done = self.runtime.block_on(put).map(drop);
        done.map_err(|error| {
            IoFailure::new("put", Path::new(path.as_ref()), io::Error::other(error))
        })
    }

    fn get(&mut self, name: &str) -> Result<Vec<u8>, IoFailure> {
        let path = self.path(name);
        let got = self.runtime.block_on(async {
            let result = self.bucket.get(&path).await?;
            result.bytes().await
        });
        got.map(|bytes| bytes.to_vec()).map_err(|error| {
            IoFailure::new("get", Path::new(path.as_ref()), io::Error::other(error))
        })
    }
}

// `put` and `get` are methods of these traits, whichever of them holds them.
const _: fn(&AmazonS3) -> &dyn ObjectStore = |bucket| bucket;
