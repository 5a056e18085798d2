// SHA-256, from swift-crypto: names the checkpoint that a graph was compiled from, and guards an artefact's metadata.

import Crypto

/// SHA-256 in lower-case hexadecimal digits.
public enum Checksum {
  /// Of the files' bytes, one after the other.
  public static func sha256(ofFiles files: [SafetensorsFile]) -> String {
    var hash = SHA256()
    for file in files { hash.update(bufferPointer: file.file.bytes) }
    return text(hash.finalize())
  }

  /// Of a text's UTF-8 bytes.
  public static func sha256(of text: String) -> String { self.text(SHA256.hash(data: Array(text.utf8))) }

  /// Of bytes in memory.
  public static func sha256(of bytes: UnsafeRawBufferPointer) -> String {
    var hash = SHA256()
    hash.update(bufferPointer: bytes)
    return text(hash.finalize())
  }

  private static func text(_ digest: SHA256Digest) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
