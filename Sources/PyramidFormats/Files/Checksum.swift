// SHA-256, by Nettle: names the checkpoint that a graph was compiled from, and guards an artefact's content.

import CNettle

/// SHA-256 in lower-case hexadecimal digits.
public enum Checksum {
  /// Of the files' bytes, one after the other.
  public static func sha256(ofFiles files: [SafetensorsFile]) -> String {
    var sum = RunningChecksum()
    for file in files { file.file.withPieces { sum.update($0) } }
    return sum.digits
  }

  /// Of a text's UTF-8 bytes.
  public static func sha256(of text: String) -> String { Array(text.utf8).withUnsafeBytes { sha256(of: $0) } }

  /// Of bytes in memory.
  public static func sha256(of bytes: UnsafeRawBufferPointer) -> String {
    var sum = RunningChecksum()
    sum.update(bytes)
    return sum.digits
  }
}

/// A SHA-256 of bytes that come in pieces.
struct RunningChecksum {
  private var state = sha256_ctx()

  init() { nettle_sha256_init(&state) }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    nettle_sha256_update(&state, bytes.count, start.assumingMemoryBound(to: UInt8.self))
  }

  mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
  }

  /// Of all bytes so far, in lower-case hexadecimal digits.
  var digits: String {
    var (state, digest) = (state, [UInt8](repeating: 0, count: Int(SHA256_DIGEST_SIZE)))
    nettle_sha256_digest(&state, digest.count, &digest)
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
