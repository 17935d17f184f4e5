// Says of each token on a line of stdin whether a key of the published set has signed it. The JDK alone.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EdECPoint;
import java.security.spec.EdECPublicKeySpec;
import java.security.spec.NamedParameterSpec;
import java.security.spec.RSAPublicKeySpec;
import java.util.Base64;
import java.util.regex.Pattern;

public class Verify {
  static byte[] decode(String text) {
    return Base64.getUrlDecoder().decode(text);
  }

  static String member(String json, String name) {
    var found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(json);
    return found.find() ? found.group(1) : "";
  }

  static BigInteger number(String jwk, String name) {
    return new BigInteger(1, decode(member(jwk, name)));
  }

  static PublicKey key(String jwk) throws Exception {
    switch (member(jwk, "kty")) {
      case "RSA":
        return KeyFactory.getInstance("RSA")
            .generatePublic(new RSAPublicKeySpec(number(jwk, "n"), number(jwk, "e")));
      case "EC":
        var parameters = AlgorithmParameters.getInstance("EC");
        parameters.init(new ECGenParameterSpec("secp256r1"));
        var point = new ECPoint(number(jwk, "x"), number(jwk, "y"));
        var curve = parameters.getParameterSpec(ECParameterSpec.class);
        return KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, curve));
      default:
        byte[] y = decode(member(jwk, "x"));
        boolean odd = (y[31] & 0x80) != 0;
        y[31] &= 0x7f;
        for (int i = 0; i < 16; i++) {
          byte swapped = y[i];
          y[i] = y[31 - i];
          y[31 - i] = swapped;
        }
        var spec =
            new EdECPublicKeySpec(
                NamedParameterSpec.ED25519, new EdECPoint(odd, new BigInteger(1, y)));
        return KeyFactory.getInstance("Ed25519").generatePublic(spec);
    }
  }

  static boolean isGood(String keys, String token) throws Exception {
    var parts = token.split("\\.");
    var kid = member(new String(decode(parts[0])), "kid");
    var jwks = Pattern.compile("\\{[^{}]*\\}").matcher(keys);
    while (jwks.find()) {
      if (member(jwks.group(), "kid").equals(kid)) {
        var name =
            switch (member(jwks.group(), "alg")) {
              case "RS256" -> "SHA256withRSA";
              case "ES256" -> "SHA256withECDSAinP1363Format";
              default -> "Ed25519";
            };
        var signature = Signature.getInstance(name);
        signature.initVerify(key(jwks.group()));
        signature.update((parts[0] + "." + parts[1]).getBytes());
        return signature.verify(decode(parts[2]));
      }
    }
    return false;
  }

  public static void main(String[] arguments) throws Exception {
    var http = HttpClient.newHttpClient();
    var request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String token; (token = lines.readLine()) != null; ) {
      var keys = http.send(request, BodyHandlers.ofString()).body();
      System.out.println(isGood(keys, token) ? "good" : "refused");
    }
  }
}
