// SHA-256, by Nettle: names the checkpoint that a graph was compiled from, and guards an artefact's metadata.

import CNettle

/// SHA-256 in lower-case hexadecimal digits.
public enum Checksum {
  /// Of the files' bytes, one after the other.
  public static func sha256(ofFiles files: [SafetensorsFile]) -> String { digest(of: files.map(\.file.bytes)) }

  /// Of a text's UTF-8 bytes.
  public static func sha256(of text: String) -> String { Array(text.utf8).withUnsafeBytes { sha256(of: $0) } }

  /// Of bytes in memory.
  public static func sha256(of bytes: UnsafeRawBufferPointer) -> String { digest(of: [bytes]) }

  private static func digest(of parts: [UnsafeRawBufferPointer]) -> String {
    var state = sha256_ctx()
    nettle_sha256_init(&state)
    for part in parts {
      guard let start = part.baseAddress else { continue }
      nettle_sha256_update(&state, part.count, start.assumingMemoryBound(to: UInt8.self))
    }
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_SIZE))
    nettle_sha256_digest(&state, digest.count, &digest)
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
