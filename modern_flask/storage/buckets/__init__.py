"""Buckets of Tencent COS and Aliyun OSS, through the vendors' SDKs."""
