import dev.flysk.ApiClient;
import dev.flysk.ApiException;
import dev.flysk.api.FlycoinsApi;
import dev.flysk.model.Charge;
import dev.flysk.model.ChargeRequest;
import dev.flysk.model.PriceLineInput;
import dev.flysk.model.PriceUnit;
import dev.flysk.model.Problem;
import dev.flysk.model.Refund;
import dev.flysk.model.RefundRequest;
import java.util.List;

/** Charges, refunds and is refused, with the client that OpenAPI Generator writes from api/openapi.json. */
public final class Drive {
    private static final long ACCOUNT_ID = Long.parseLong(System.getenv("ACCOUNT_ID"));

    public static void main(String[] args) throws Exception {
        ApiClient api = new ApiClient();
        api.updateBaseUri(System.getenv("FLYSK_URL"));
        api.setRequestInterceptor(request -> request.header("X-Project-Token", System.getenv("PROJECT_TOKEN")));
        FlycoinsApi flycoins = new FlycoinsApi(api);

        Charge charged = flycoins.chargeFlycoins("java-charge", charge(60));
        check(charged.getReceipt().get(0).getUnit() == PriceUnit.SECOND, "the unit");
        Charge repeated = flycoins.chargeFlycoins("java-charge", charge(60));
        check(repeated.getTransactionId().equals(charged.getTransactionId()), "charged twice");

        RefundRequest refund =
                new RefundRequest().accountId(ACCOUNT_ID).transactionId(charged.getTransactionId()).all(true);
        Refund refunded = flycoins.refundFlycoins("java-refund", refund);

        try {
            flycoins.chargeFlycoins("java-refused", charge(1_000_000));
            throw new AssertionError("not refused");
        } catch (ApiException refused) {
            Problem problem = api.getObjectMapper().readValue(refused.getResponseBody(), Problem.class);
            System.out.println(
                    "charged " + charged.getChargedMicro() + ", refunded " + refunded.getRefundedMicro()
                            + ", refused " + problem.getStatus() + " " + problem.getCode());
        }
    }

    private static ChargeRequest charge(long seconds) {
        PriceLineInput line = new PriceLineInput().service("flysense.recognition").quantity(seconds);
        return new ChargeRequest().accountId(ACCOUNT_ID).lines(List.of(line));
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
