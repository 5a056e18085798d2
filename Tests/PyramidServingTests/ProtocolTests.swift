// The protocols' bodies, without a server around them: what clients send is read, what they get is what they expect, and
// wrong bodies are errors that say where.

import MagicPyramid
import PyramidServing
import PyramidTestSupport
import Testing

@Suite struct `Requests of the Open Inference Protocol` {
  private func read(_ json: String, _ tail: [UInt8] = []) throws -> OpenInferenceRequest {
    try OpenInferenceRequest(body: Array(json.utf8) + tail, jsonLength: tail.isEmpty ? nil : json.utf8.count)
  }

  @Test func `have texts and pairs in JSON, flat or nested`() throws {
    let flat = try read(
      #"{"id":"a","inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["x","y é"]},"#
        + #"{"name":"text_pair","datatype":"BYTES","shape":[2],"data":["","z"]}],"#
        + #""parameters":{"exit":"entropy(threshold=0.2)","max_layers":3,"deadline_ms":50},"#
        + #""outputs":[{"name":"exit_layer"},{"name":"label","parameters":{"binary_data":true}}]}"#)
    #expect(flat.id == "a" && flat.request.texts.map(\.first) == ["x", "y é"])
    #expect(flat.request.texts.map(\.second) == ["", "z"])
    #expect(flat.request.exit == "entropy(threshold=0.2)" && flat.request.maxLayers == 3)
    #expect(flat.request.deadline == .milliseconds(50))
    #expect(flat.outputs.map(\.output.kind) == [.exitLayer, .label] && flat.outputs.map(\.isBinary) == [false, true])
    let nested = try read(
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[2,1],"data":[["x"],["y"]]}]}"#)
    #expect(nested.request.texts.map(\.first) == ["x", "y"])
    #expect(nested.outputs.map(\.output) == OpenInferenceOutput.all())
  }

  @Test func `have texts in binary behind the JSON`() throws {
    let tail: [UInt8] = [1, 0, 0, 0, 0x78, 2, 0, 0, 0, 0xC3, 0xA9, 0, 0, 0, 0]
    let request = try read(
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[3],"parameters":{"binary_data_size":15}}],"#
        + #""parameters":{"binary_data_output":true}}"#, tail)
    #expect(request.request.texts.map(\.first) == ["x", "é", ""])
    let isAllBinary = request.outputs.allSatisfy { $0.isBinary }
    #expect(isAllBinary)
  }

  @Test(arguments: [
    ("{", "request: line 1"), ("[]", "expected an object"), (#"{"inputs":[]}"#, "\"text\" is missing"),
    (#"{"inputs":[{"name":"text","datatype":"FP32","shape":[1],"data":[1]}]}"#, "texts are BYTES"),
    (#"{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["x"]}]}"#, "has 1 elements"),
    (#"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":[7]}]}"#, "inputs.0.data.0"),
    (#"{"inputs":[{"name":"text","datatype":"BYTES","shape":[0],"data":[]}]}"#, "n over 0"),
    (#"{"inputs":[{"name":"words","datatype":"BYTES","shape":[1],"data":["x"]}]}"#, "no input \"words\""),
    (
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["x"]}],"parameters":{"colour":1}}"#,
      "parameters.colour"
    ),
    (
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["x"]}],"outputs":[{"name":"colour"}]}"#,
      "no output \"colour\""
    ),
    (
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["x"]}],"#
        + #""outputs":[{"name":"logits"},{"name":"score"},{"name":"logits"}]}"#,
      "output \"logits\" is asked for twice"
    ),
    (
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["x"]}],"parameters":{"content_type":"np"}}"#,
      "parameters.content_type"
    ),
    (
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":9}}]}"#,
      "0 bytes are left"
    ),
    (
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["x"],"parameters":{"binary_data_size":0}}]}"#,
      "inputs.0.data: is there beside binary_data_size"
    ),
    (
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["x"],"colour":1}]}"#,
      "inputs.0.colour: is not understood"
    ),
    (
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["x"]}],"outputs":[{"name":"label","colour":1}]}"#,
      "outputs.0.colour: is not understood"
    ),
  ])
  func `that are wrong are refused with the place`(json: String, part: String) {
    let error = #expect(throws: ServingError.self) { try read(json) }
    #expect(error?.kind == .invalid)
    #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
  }

  @Test func `as gRPC has them name an output once`() throws {
    func read(_ outputs: [String]) throws -> OpenInferenceRequest {
      try OpenInferenceRequest(
        id: nil, tensors: [("text", "BYTES", [1], ["x"])], parameters: [("content_type", "str")], outputs: outputs)
    }
    #expect(try read(["score", "label"]).outputs.map(\.output.kind) == [.score, .label])
    #expect(throws: ServingError.self) { try read(["score", "score"]) }
  }

  @Test func `may say that texts are strings, as MLServer's clients do`() throws {
    let request = try read(
      #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"parameters":{"content_type":"str"},"data":["x"]}],"#
        + #""parameters":{"content_type":"str"}}"#)
    #expect(request.request.texts.map(\.first) == ["x"])
  }

  @Test(arguments: [[1, 0, 0], [9, 0, 0, 0, 0x78], [1, 0, 0, 0, 0xFF], [255, 255, 255, 255]] as [[UInt8]])
  func `with broken tensors are refused`(bytes: [UInt8]) {
    let error = #expect(throws: ServingError.self) { try OpenInferenceRequest.texts(bytes: bytes[...]) }
    #expect(error?.kind == .invalid)
  }

  @Test(arguments: [-1, 100]) func `whose JSON is said to be longer than the body are refused`(length: Int) {
    #expect(throws: ServingError.self) { try OpenInferenceRequest(body: Array("{}".utf8), jsonLength: length) }
  }
}

@Suite struct `Replies` {
  private static let served = Result { try ServedFixture() }

  @Test func `in binary hold what those in JSON hold`() async throws {
    let model = try Self.served.get().model
    var asked = try OpenInferenceRequest(
      body: Array(#"{"id":"7","inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["w7 w9","w8"]}]}"#.utf8),
      jsonLength: nil)
    let result = try await model.answer(asked.request)
    let plain = OpenInferenceReply(result, to: asked, from: model)
    #expect(plain.jsonLength == nil)
    let json = JSONField(try JSONReader.read(plain.body, file: "reply"), file: "reply")
    #expect(try json.required("id").string() == "7")
    let outputs = try json.required("outputs").elements()
    #expect(try outputs.map { try $0.required("name").string() } == OpenInferenceOutput.all().map(\.name))
    let logits = try outputs[3].required("data").elements().map { try Float($0.double()) }
    #expect(logits == result.answers.flatMap(\.answer.logits))
    asked.outputs = OpenInferenceOutput.all().filter { [.label, .logits, .truncated].contains($0.kind) }
      .map { ($0, true) }
    let binary = OpenInferenceReply(result, to: asked, from: model)
    let length = try #require(binary.jsonLength)
    let head = JSONField(try JSONReader.read(Array(binary.body[..<length]), file: "reply"), file: "reply")
    let sizes = try head.required("outputs").elements().map {
      try $0.required("parameters").required("binary_data_size").integer(in: 0...1000)
    }
    #expect(length + sizes.reduce(0, +) == binary.body.count)
    let labels = try OpenInferenceRequest.texts(bytes: binary.body[length..<length + sizes[0]])
    #expect(labels == result.answers.map(\.label))
    let bits = binary.body[(length + sizes[0])...].prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    #expect(Float(bitPattern: bits) == logits[0])
    #expect(binary.body.suffix(2) == [0, 0])
  }

  @Test func `of /predict list classes by their score, one list for each text of a batch`() async throws {
    let model = try Self.served.get().model
    func reply(_ json: String) async throws -> JSONValue {
      let asked = try PredictRequest(body: Array(json.utf8))
      return asked.reply(try await model.answer(asked.request), by: model.classifier)
    }
    let single = try await reply(#"{"inputs":"w7 w9"}"#)
    let field = JSONField(single, file: "reply")
    let scores = try field.elements().map { try $0.required("score").double() }
    #expect(scores == scores.sorted(by: >) && scores.count == 3)
    // The portable kernels' sums depend on the batch, so the last digits may differ.
    func rounded(_ value: JSONValue) throws -> [String] {
      try JSONField(value, file: "reply").elements().map {
        "\(try $0.required("label").string()) \((try $0.required("score").double() * 1e4).rounded())"
      }
    }
    guard case .array(let lists) = try await reply(#"{"inputs":[["w7 w9"],["w8","w9"]]}"#) else {
      Issue.record("no list")
      return
    }
    let pair = try await reply(#"{"inputs":["w8","w9"]}"#)
    #expect(try lists.map(rounded) == [rounded(single), rounded(pair)])
    let raw = JSONField(try await reply(#"{"inputs":"w7 w9","raw_scores":true}"#), file: "reply")
    let logits = try await model.answer(ServingRequest(texts: [("w7 w9", "")])).answers[0].answer.logits
    #expect(try Float(raw.elements()[0].required("score").double()) == logits.max())
  }

  @Test(arguments: [#"{"inputs":7}"#, #"{"inputs":["a","b","c"]}"#, #"{"inputs":[]}"#, #"{"input":"a"}"#])
  func `of /predict to wrong bodies are errors`(json: String) {
    #expect(throws: ServingError.self) { try PredictRequest(body: Array(json.utf8)) }
  }

  @Test func `of /predict refuse a text over the limit, unless truncation is asked for`() async throws {
    let model = try Self.served.get().model
    let long = String(repeating: "w7 ", count: 200)
    let error = await #expect(throws: ServingError.self) {
      try await model.answer(PredictRequest(body: Array(#"{"inputs":"\#(long)"}"#.utf8)).request)
    }
    #expect(error?.kind == .tooLarge)
    let asked = try PredictRequest(body: Array(#"{"inputs":"\#(long)","truncate":true}"#.utf8))
    #expect(try await model.answer(asked.request).answers[0].isTruncated)
  }

  @Test func `of /rerank order the texts of a model with one logit`() async throws {
    let ranker = try ServedFixture(classes: 1).model
    let asked = try RerankRequest(
      body: Array(#"{"query":"w7","texts":["w8","w9 w3","w12"],"return_text":true}"#.utf8))
    try asked.check(ranker.classifier)
    let reply = JSONField(asked.reply(try await ranker.answer(asked.request)), file: "reply")
    let scores = try reply.elements().map { try $0.required("score").double() }
    #expect(scores == scores.sorted(by: >))
    #expect(try Set(reply.elements().map { try $0.required("text").string() }) == ["w8", "w9 w3", "w12"])
    let classifier = try Self.served.get().model.classifier
    let error = #expect(throws: ServingError.self) { try asked.check(classifier) }
    #expect(error?.kind == .unfit)
  }
}
