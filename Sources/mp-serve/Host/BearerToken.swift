// The token that requests must show. Compared in a time that does not depend on how much of it is right, and never logged.

#if Server
  import PyramidFormats

  struct BearerToken: Sendable {
    /// A digest, so that all comparisons are of one length.
    private let digest: [UInt8]

    init(_ token: String) { digest = Array(Checksum.sha256(of: token).utf8) }

    /// The first line of a file.
    init(path: String) throws {
      let text = try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) }
      guard let line = text.split(whereSeparator: \.isNewline).first, !line.isEmpty else {
        throw FormatError(file: path, problem: "holds no token")
      }
      self.init(String(line))
    }

    /// Whether an Authorization header has the token.
    func admits(_ header: String?) -> Bool {
      guard let header, header.utf8.count > 7, header.prefix(7).lowercased() == "bearer " else { return false }
      let other = Array(Checksum.sha256(of: String(header.dropFirst(7))).utf8)
      return zip(digest, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
  }
#endif
