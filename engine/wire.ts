import { ListValue, NullValue, Struct, Value as WireValue } from "google-protobuf/google/protobuf/struct_pb";
import { decodeMap, encodeMap, policySecrets, wireSecrets } from "./encoding";
import type { Json } from "./encoding";
import type { PropertyMap } from "./values";

/** Pulumi's gRPC form of a property map, as JSON: the library's own conversion copies maps several times over. */
function toJson(value: WireValue): Json {
  switch (value.getKindCase()) {
    case WireValue.KindCase.BOOL_VALUE:
      return value.getBoolValue();
    case WireValue.KindCase.NUMBER_VALUE:
      return value.getNumberValue();
    case WireValue.KindCase.STRING_VALUE:
      return value.getStringValue();
    case WireValue.KindCase.LIST_VALUE:
      return (value.getListValue()?.getValuesList() ?? []).map(toJson);
    case WireValue.KindCase.STRUCT_VALUE:
      return structToJson(value.getStructValue());
    default:
      return null;
  }
}

export function structToJson(struct: Struct | undefined): { [key: string]: Json } {
  const result: { [key: string]: Json } = {};
  struct?.getFieldsMap().forEach((value, key) => {
    result[key] = toJson(value);
  });
  return result;
}

function fromJson(json: Json): WireValue {
  const value = new WireValue();
  if (json === null) value.setNullValue(NullValue.NULL_VALUE);
  else if (typeof json === "boolean") value.setBoolValue(json);
  else if (typeof json === "number") value.setNumberValue(json);
  else if (typeof json === "string") value.setStringValue(json);
  else if (Array.isArray(json)) {
    const list = new ListValue();
    list.setValuesList(json.map(fromJson));
    value.setListValue(list);
  } else value.setStructValue(jsonToStruct(json));
  return value;
}

export function jsonToStruct(json: { [key: string]: Json }): Struct {
  const struct = new Struct();
  const fields = struct.getFieldsMap();
  for (const key in json) {
    const value = json[key];
    if (value !== undefined) fields.set(key, fromJson(value));
  }
  return struct;
}

export function unmarshal(struct: Struct | undefined): PropertyMap {
  return decodeMap(structToJson(struct), wireSecrets);
}

export function marshal(map: PropertyMap): Struct {
  return jsonToStruct(encodeMap(map, wireSecrets));
}

export function marshalForPolicies(map: PropertyMap): Struct {
  return jsonToStruct(encodeMap(map, policySecrets));
}
