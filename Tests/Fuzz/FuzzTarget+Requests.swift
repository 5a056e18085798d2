// What clients send to the server: bodies of HTTP requests, after two bytes that say which and how.

import PyramidServing

extension FuzzTarget {
  /// The first byte chooses the kind of request; the second, for the Open Inference Protocol, how many bytes follow the JSON.
  static func readRequest(_ input: [UInt8]) throws {
    guard input.count > 2 else { return }
    let body = Array(input.dropFirst(2))
    switch input[0] % 4 {
    case 0:
      let jsonLength = input[1] == 255 ? nil : body.count - Int(input[1])
      let read = try OpenInferenceRequest(body: body, jsonLength: jsonLength)
      try check(read.request, body)
      if read.outputs.isEmpty { throw Broken(description: "a request without outputs") }
    case 1: try check(PredictRequest(body: body).request, body)
    case 2: try check(RerankRequest(body: body).request, body, queries: 1)
    default: try check(PageRequest(body: body).request, body)
    }
  }

  /// Texts come from the body, each part of it once, but for a query that stands before each text.
  private static func check(_ request: ServingRequest, _ body: [UInt8], queries: Int = 0) throws {
    let firsts = queries > 0 ? request.texts.prefix(queries).map(\.first) : request.texts.map(\.first)
    let bytes = (firsts + request.texts.map(\.second)).reduce(0) { $0 + $1.utf8.count }
    if request.texts.isEmpty || bytes > body.count {
      throw Broken(description: "\(request.texts.count) texts of \(bytes) bytes from \(body.count) bytes")
    }
  }

  /// Requests as clients write them.
  static let requests: [[UInt8]] = {
    let text = #"{"name":"text","datatype":"BYTES","shape":[2],"#
    let bodies: [(kind: UInt8, lengths: UInt8, body: String)] = [
      (0, 255, #"{"id":"1","inputs":[\#(text)"data":["a text","b"]}],"outputs":[{"name":"label"},{"name":"logits"}]}"#),
      (0, 255, #"{"inputs":[\#(text)"data":[["a"],["ä\u00e9"]]}],"parameters":{"exit":"entropy","max_layers":2}}"#),
      (
        0, 12,
        #"{"inputs":[\#(text)"parameters":{"binary_data_size":12}}],"parameters":{"binary_data_output":true}}"#
          + "\u{2}\0\0\0ab\u{2}\0\0\0cd"
      ),
      (
        0, 255,
        #"{"inputs":[\#(text)"data":["a","b"]},{"name":"text_pair","datatype":"BYTES","shape":[2,1],"data":["c","d"]}]}"#
      ),
      (1, 0, #"{"inputs":"a text","raw_scores":true,"truncate":false}"#),
      (1, 0, #"{"inputs":[["a","pair"],["b"]],"truncation_direction":"Right"}"#),
      (2, 0, #"{"query":"what","texts":["this","that"],"return_text":true}"#),
      (
        3, 0,
        #"{"model":"m","text":"words","text_pair":"more","exit":"entropy(threshold=0.1)","prune":"top-k(keep=3)"}"#
      ),
    ]
    return bodies.map { [$0.kind, $0.lengths] + Array($0.body.utf8) }
  }()
}
