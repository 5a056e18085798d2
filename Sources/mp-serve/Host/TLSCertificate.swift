// The certificate and key that connections are made with. Certificates end after weeks or months, and their heirs are to
// take no restart: the files are read again at SIGHUP. Connections that are open keep what they began with.

#if Server
  import NIOCertificateReloading
  import NIOSSL
  import PyramidFormats
  import Synchronization

  final class TLSCertificate: CertificateReloader {
    private let certificate: String
    private let key: String
    private let current: Mutex<NIOSSLContextConfigurationOverride>

    /// Reads both files. Throws what says which is wrong.
    init(certificate: String, key: String) throws {
      (self.certificate, self.key) = (certificate, key)
      current = Mutex(try Self.read(certificate, key))
    }

    /// What a new connection begins with.
    var sslContextConfigurationOverride: NIOSSLContextConfigurationOverride { current.withLock { $0 } }

    /// Reads both files again; where one is wrong, what was read before stays.
    func reload() throws {
      let new = try Self.read(certificate, key)
      current.withLock { $0 = new }
    }

    private static func read(_ certificate: String, _ key: String) throws -> NIOSSLContextConfigurationOverride {
      // NIO's errors name no file.
      func read<Value>(_ path: String, _ what: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch { throw FormatError(file: path, problem: "\(what): \(error)") }
      }
      let chain = try read(certificate, "is no certificate chain in PEM, as --tls-certificate takes it") {
        try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
      }
      let secret = try read(key, "is no private key in PEM, as --tls-key takes it") {
        NIOSSLPrivateKeySource.privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
      }
      _ = try read(key, "is not the key of --tls-certificate \(certificate)") {
        try NIOSSLContext(configuration: .makeServerConfiguration(certificateChain: chain, privateKey: secret))
      }
      var found = NIOSSLContextConfigurationOverride()
      (found.certificateChain, found.privateKey) = (chain, secret)
      return found
    }
  }
#endif
