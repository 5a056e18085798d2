// The Open Inference Protocol over gRPC: messages become what PyramidServing's protocol types take, and back. Answers
// are raw contents, which every client of the protocol reads.

#if Server
  import FoundationEssentials
  import GRPCCore
  import GRPCNIOTransportHTTP2
  import GRPCProtobuf
  import MagicPyramid
  import PyramidFormats
  import PyramidServing

  struct InferenceService: Inference_GRPCInferenceService.SimpleServiceProtocol {
    let repository: ModelRepository
    let ending: ServerEnding
    let draining: Draining

    func serverLive(
      request: Inference_ServerLiveRequest, context: ServerContext
    ) async throws -> Inference_ServerLiveResponse { .with { $0.live = true } }

    func serverReady(
      request: Inference_ServerReadyRequest, context: ServerContext
    ) async throws -> Inference_ServerReadyResponse {
      .with {
        let isLoaded = repository.isReady && repository.models.allSatisfy { (try? $0.checkReady()) != nil }
        $0.ready = isLoaded && !draining.isUnderway
      }
    }

    func modelReady(
      request: Inference_ModelReadyRequest, context: ServerContext
    ) async throws -> Inference_ModelReadyResponse {
      let model = try model(request.name, request.version)
      do { try model.checkReady() } catch { throw RPCError(error) }
      return .with { $0.ready = true }
    }

    func serverMetadata(
      request: Inference_ServerMetadataRequest, context: ServerContext
    ) async throws -> Inference_ServerMetadataResponse {
      // Of those that HTTP has, the model repository is not here.
      .with { ($0.name, $0.version, $0.extensions) = ("magic-pyramid", magicPyramidVersion, ["binary_tensor_data"]) }
    }

    func modelMetadata(
      request: Inference_ModelMetadataRequest, context: ServerContext
    ) async throws -> Inference_ModelMetadataResponse {
      let model = try model(request.name, request.version)
      return .with { reply in
        reply.name = model.name
        reply.versions = repository.models.filter { $0.name == model.name }.map { "\($0.version)" }
        reply.platform = "magic-pyramid"
        func tensor(_ name: String, _ type: String, _ columns: Int?) -> Inference_ModelMetadataResponse.TensorMetadata {
          .with { ($0.name, $0.datatype, $0.shape) = (name, type, [-1] + (columns.map { [Int64($0)] } ?? [])) }
        }
        reply.inputs = model.inputNames.map { tensor($0, "BYTES", nil) }
        reply.outputs = OpenInferenceOutput.all(of: model.classifier.tasks).map {
          tensor($0.name, $0.datatype, $0.columns(model.classifier))
        }
      }
    }

    func modelInfer(
      request: Inference_ModelInferRequest, context: ServerContext
    ) async throws -> Inference_ModelInferResponse {
      let model = try model(request.modelName, request.modelVersion)
      do {
        return try await ending.whileAwaited {
          try await model.counted(protocol: "oip_grpc") {
            let asked = try OpenInferenceRequest(request, tasks: model.classifier.tasks)
            return reply(try await model.answer(asked.request), to: asked, from: model)
          }
        }
      } catch let error as ServingError {
        throw RPCError(error)
      } catch is CancellationError {
        throw RPCError(code: .cancelled, message: "the client closed the call, its deadline passed, or the server ends")
      }
    }

    private func reply(
      _ result: ServingResult, to asked: OpenInferenceRequest, from model: ServedModel
    ) -> Inference_ModelInferResponse {
      .with { reply in
        (reply.modelName, reply.modelVersion, reply.id) = (model.name, "\(model.version)", asked.id ?? "")
        for (key, value) in result.parameters.members.map({ ($0.key, $0.value) }) {
          reply.parameters[key] = .with { parameter in
            if case .string(let text) = value { parameter.stringParam = text }
            if case .number(let number) = value { parameter.doubleParam = number.double ?? 0 }
          }
        }
        for (output, _) in asked.outputs {
          let tensor = OutputTensor(output, result, model.classifier)
          reply.outputs.append(
            .with { entry in
              (entry.name, entry.datatype) = (output.name, output.datatype)
              entry.shape = tensor.shape.map { Int64($0) }
            })
          reply.rawOutputContents.append(Data(tensor.bytes))
        }
      }
    }

    private func model(_ name: String, _ version: String) throws -> ServedModel {
      do {
        guard repository.isReady else { throw ServingError(.unavailable, "models are being loaded") }
        return try repository.model(name, version: version)
      } catch let error as ServingError { throw RPCError(error) }
    }
  }

  extension OpenInferenceRequest {
    /// A request as gRPC has it.
    fileprivate init(_ message: Inference_ModelInferRequest, tasks: [String]) throws {
      let raw = message.rawInputContents
      guard raw.isEmpty || raw.count == message.inputs.count else {
        throw ServingError(.invalid, "\(raw.count) raw contents for \(message.inputs.count) inputs")
      }
      var tensors: [(name: String, datatype: String, shape: [Int], texts: [String])] = []
      for (index, input) in message.inputs.enumerated() {
        guard raw.isEmpty || !input.hasContents else {
          throw ServingError(.invalid, "input \(input.name.quoted) has both contents and raw contents")
        }
        if let key = input.parameters.first(where: { !Self.isContentType($0.key, $0.value.json) })?.key {
          throw ServingError(.invalid, "input \(input.name.quoted): parameter \(key.quoted) is not understood")
        }
        let texts =
          raw.isEmpty
          ? try input.contents.bytesContents.map { bytes in
            guard let text = String(validating: bytes, as: UTF8.self) else {
              throw ServingError(.invalid, "input \(input.name.quoted) holds what is not UTF-8")
            }
            return text
          } : try OpenInferenceRequest.texts(bytes: Array(raw[index])[...])
        tensors.append((input.name, input.datatype, input.shape.map { Int($0) }, texts))
      }
      var parameters: [(key: String, value: JSONValue)] = []
      for (key, parameter) in message.parameters.sorted(by: { $0.key < $1.key }) {
        parameters.append((key, parameter.json))
      }
      if let output = message.outputs.first(where: { !$0.parameters.isEmpty }) {
        throw ServingError(.invalid, "output \(output.name.quoted): its parameters are not understood")
      }
      try self.init(
        id: message.id.isEmpty ? nil : message.id, tensors: tensors, parameters: parameters,
        outputs: message.outputs.map(\.name), tasks: tasks)
    }
  }

  extension Inference_InferParameter {
    fileprivate var json: JSONValue {
      switch parameterChoice {
      case .boolParam(let value): .bool(value)
      case .int64Param(let value): JSONValue(Int(value))
      case .uint64Param(let value): JSONValue(Int(clamping: value))
      case .doubleParam(let value): JSONValue(value)
      case .stringParam(let value): .string(value)
      case nil: .null
      }
    }
  }

  extension RPCError {
    fileprivate init(_ error: ServingError) {
      let code: RPCError.Code =
        switch error.kind {
        case .invalid: .invalidArgument
        case .notFound: .notFound
        case .tooLarge: .outOfRange
        case .busy: .resourceExhausted
        case .late: .deadlineExceeded
        case .unavailable: .unavailable
        case .broken: .internalError
        case .unfit: .failedPrecondition
        }
      var metadata = Metadata()
      if case .busy(let seconds) = error.kind { metadata.addString("\(seconds)", forKey: "retry-after") }
      self.init(code: code, message: error.description, metadata: metadata)
    }
  }
#endif
